"""What keys, rates and quotas do, said once more and as plainly as can be. No database, no time."""

from dataclasses import dataclass, field
from typing import Literal

RATE = 6
UNITS = 12
TRIAL_UNITS = 9
KEYS = 4

Moment = Literal["never", "later", "passed"]
Place = Literal["anywhere", "here", "elsewhere"]
STATUSES = {
    "revoked_key": 401,
    "expired_key": 401,
    "trial_ended": 402,
    "account_suspended": 403,
    "key_pending_verification": 403,
    "ip_not_allowed": 403,
    "rate_limited": 429,
    "quota_exceeded": 429,
}


@dataclass(frozen=True)
class Outcome:
    """What the caller is told: status, code of the problem, units charged, units left."""

    status: int
    code: str
    units: int
    left: int


@dataclass(eq=False)
class Account:
    """Whoever pays: a user, or the workspace of a trial."""

    id: str
    owner_id: str
    units: int = UNITS
    used: int = 0
    """In this period."""
    used_ever: int = 0
    is_trial: bool = False
    is_over: bool = False
    """Of a trial: it has ended."""


@dataclass(eq=False)
class User:
    """A customer."""

    id: str
    is_verified: bool
    is_suspended: bool = False


@dataclass(eq=False)
class ModelKey:
    """A key, and what has been done to it."""

    id: str
    secret: str
    account: Account
    user: User
    status: Literal["pending_verification", "active", "revoked"] = "active"
    expires: Moment = "never"
    grace: Moment = "never"
    """When it ends because another has replaced it."""
    allowed: Place = "anywhere"
    tokens: float = float(RATE)

    @property
    def takes_a_place(self) -> bool:
        """Whether it counts among the keys that a plan gives."""
        return self.status != "revoked" and self.grace == "never"

    def refusal(self) -> str | None:
        """Why the key itself gets nothing, if so; the first reason counts."""
        reasons = {
            "revoked_key": self.status == "revoked",
            "account_suspended": self.user.is_suspended,
            "key_pending_verification": self.status == "pending_verification",
            "trial_ended": self.account.is_over,
            "expired_key": "passed" in {self.expires, self.grace},
            "ip_not_allowed": self.allowed == "elsewhere",
        }
        return next((code for code, holds in reasons.items() if holds), None)

    def call(self, units: int, status: int) -> Outcome:
        """A call of what costs so much, whose app answers with this status."""
        code = self.refusal() or self._spend(units)
        if code is None and status == 200:
            self.account.used += units
            self.account.used_ever += units
        left = self.account.units - self.account.used
        if code is not None:
            return Outcome(STATUSES[code], code, 0, left)
        return Outcome(status, "", units if status == 200 else 0, left)

    def refused(self, status: int, code: str) -> Outcome:
        """A call that is refused whatever the key may do."""
        return Outcome(status, code, 0, self.account.units - self.account.used)

    def _spend(self, units: int) -> str | None:
        if self.tokens < 1:
            return "rate_limited"
        self.tokens -= 1
        if units > 0 and self.account.used + units > self.account.units:
            return "quota_exceeded"
        return None


@dataclass
class Model:
    """All keys, and the rows that their calls must have left."""

    keys: list[ModelKey] = field(default_factory=list)
    rows: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """By id: key, status, units."""
    times: dict[str, int] = field(default_factory=dict)
    """By id: for how many answers the row stands."""

    def wait(self, seconds: float) -> None:
        """Time passes: the buckets fill."""
        for key in self.keys:
            key.tokens = min(float(RATE), key.tokens + seconds * RATE)

    def note(self, request_id: str, key: ModelKey, outcome: Outcome) -> None:
        """This call was answered so."""
        row = (key.id, outcome.status, outcome.units)
        assert self.rows.setdefault(request_id, row) == row
        self.times[request_id] = self.times.get(request_id, 0) + 1
