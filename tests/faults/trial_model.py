"""What trials, their keys and plans do, said once more and as plainly as can be. No database.

Time is in whole hours. What an act comes to is "ok" or the code of its refusal.
"""

from dataclasses import dataclass, field
from typing import Literal

TRIAL_HOURS = 14 * 24
DATA_HOURS = 30 * 24
WISH_HOURS = 4 * 24
CLAIM_HOURS = 366 * 24
EXTENSION_DAYS = 3
MOST_KEYS = 5

OK, REFUSED = "ok", "trial_move_refused"


@dataclass(eq=False)
class Customer:
    """An account. `tier`: what it bought. `claims`: how many hours ago it had each trial."""

    id: str
    tier: str = "free"
    is_blocked: bool = False
    """Because it does not pay."""
    claims: dict[str, int] = field(default_factory=dict)

    @property
    def has_plan(self) -> bool:
        return self.tier != "free" and not self.is_blocked


@dataclass
class TrialKey:
    """A key; what it is known by when it has been made."""

    id: str = ""
    secret: str = ""
    status: Literal["active", "revoked", "converted"] = "active"
    is_revoked_since: bool = False
    """As a live key."""

    def revoke(self) -> None:
        self.status = "revoked"


@dataclass
class Trial:
    """A trial. `left`: hours until its end, or less than none. `wished_ago`: hours too."""

    owner: Customer
    tier: str
    id: str = ""
    slug: str = ""
    name: str = ""
    status: Literal["active", "expired", "converted", "cancelled"] = "active"
    left: int = TRIAL_HOURS
    wished_ago: int | None = None
    keys: list[TrialKey] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.status == "active" and self.left > 0

    @property
    def is_over(self) -> bool:
        return self.status in {"active", "expired"} and self.left <= 0

    @property
    def is_gone(self) -> bool:
        """Whether its data may be deleted."""
        return self.is_over and self.left <= -DATA_HOURS

    @property
    def is_convertible(self) -> bool:
        return (self.is_running or self.is_over) and not self.is_gone

    @property
    def is_wished(self) -> bool:
        return self.wished_ago is not None and self.wished_ago < WISH_HOURS

    def status_of(self, key: TrialKey) -> int:
        """What a call with this key gets."""
        if key.status == "converted":
            if key.is_revoked_since:
                return 401
            return 402 if self.owner.is_blocked else 200
        if key.status == "revoked":
            return 401
        return 200 if self.is_running else 402

    def convert(self) -> str:
        if self.status == "converted":
            return OK
        if not self.is_convertible:
            return REFUSED
        if not self.owner.has_plan:
            return "plan_needed"
        self.status = "converted"
        for key in self.keys:
            if key.status == "active":
                key.status = "converted"
        return OK

    def cancel(self) -> str:
        if self.status == "cancelled":
            return OK
        if not self.is_running:
            return REFUSED
        self.status = "cancelled"
        for key in self.keys:
            key.revoke()
        return OK

    def make_key(self) -> str:
        if not self.is_running:
            return REFUSED
        if sum(key.status != "revoked" for key in self.keys) >= MOST_KEYS:
            return "trial_key_limit_reached"
        self.keys.append(TrialKey())
        return OK

    def revoke_key(self) -> str:
        """The first one, if there is one; a trial that is over is read-only."""
        if not self.is_running:
            return REFUSED
        if not self.keys:
            return "not_found"
        self.keys[0].revoke()
        return OK

    def extend(self, trials: list["Trial"]) -> str:
        if self.is_gone or not (self.is_running or self.is_over):
            return REFUSED
        if any(one is not self and one.is_rival_of(self) for one in trials):
            return REFUSED
        self.left = max(self.left, 0) + EXTENSION_DAYS * 24
        self.status = "active"
        return OK

    def is_rival_of(self, other: "Trial") -> bool:
        """Whether it runs, and there may be one of them."""
        return self.is_running and self.owner is other.owner and self.tier == other.tier

    def wish(self) -> str:
        if self.owner.has_plan:
            return self.convert()
        if not self.is_convertible:
            return REFUSED
        self.wished_ago = 0
        return OK


@dataclass
class TrialModel:
    """All customers and all their trials."""

    customers: list[Customer] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def start(self, owner: Customer, tier: str) -> str:
        new = Trial(owner, tier)
        if any(one.is_rival_of(new) for one in self.trials):
            return "trial_taken"
        if owner.claims.get(tier, CLAIM_HOURS) < CLAIM_HOURS:
            return "trial_taken"
        owner.claims[tier] = 0
        self.trials.append(new)
        return OK

    def act(self, name: str, number: int) -> str:
        """Do this to one of the trials."""
        trial = self.trials[number]
        if name == "extend":
            return trial.extend(self.trials)
        outcome: str = getattr(trial, name)()
        return outcome

    def pay(self, customer: Customer, tier: str) -> int:
        """What was wished is done when a plan begins: how many trials are converted by that."""
        is_new = not customer.has_plan
        customer.tier, customer.is_blocked = tier, False
        wished = [
            trial
            for trial in self.trials
            if is_new and trial.owner is customer and trial.is_wished and trial.is_convertible
        ]
        for trial in wished:
            trial.convert()
        return len(wished)

    def pass_time(self, hours: int) -> None:
        for trial in self.trials:
            trial.left -= hours
            if trial.wished_ago is not None:
                trial.wished_ago += hours
        for customer in self.customers:
            for tier in customer.claims:
                customer.claims[tier] += hours

    def write_down_ends(self) -> None:
        for trial in self.trials:
            if trial.is_over:
                trial.status = "expired"
