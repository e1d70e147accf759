"""How much a key may call: requests per second of the key, units of its account or trial.

Units are exact in one process: they are reserved against the known total before the work, and
settled when the row is committed. While more than a tenth of them, and more than 1,000, are left,
processes count into UsagePeriod once a second and learn of each other about two seconds late. From
there on they learn of each other with each flush, so together they pass a limit by no more than
what is in flight in the others. (An account that uses up that last tenth within those two seconds
passes it by what the others wrote in them; so may a key whose tier gives it less than another key
of the same account, of what the other wrote.)
The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
Requests per second have a bucket in each process, which is debited by what the others let in
(`app.metering.rates`). So in any T seconds all processes together let in no more than T + 1
seconds' requests, and what the others let in before they told: a fifth of a second's in the
long run, but a second's burst of each other process whose bucket was full. That is made up for
afterwards, by up to DEBT_SECONDS without any, and no longer.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.billing.plans import FREE, Plans
from app.metering.problems import QuotaExceeded, RateLimited

_SECONDS_A_MONTH = 30 * 24 * 3600
_LAST_UNITS, _LAST_SHARE = 1000, 10
"""The last so many units, and the last tenth, are counted with each batch."""

DEBT_SECONDS = 2.0
"""How long a bucket needs at most to be empty again, whatever other processes let in."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tier gives: units a period, requests a second, and both as a header's value."""

    units: int
    requests_per_second: int
    policy: bytes
    later_below: int
    """Units used up to which a call may be counted a moment later."""


def make_terms(plans: Callable[[], Plans], tier_id: str, *, is_trial: bool) -> Terms:
    """The terms of this tier. A tier that the plans do not have gets what the free one gives."""
    known = plans()
    try:
        tier = known.get_tier(tier_id)
    except KeyError:
        tier = known.get_tier(FREE)
    rate = tier.requests_per_second
    units = known.trials.units if is_trial else tier.units_per_month
    window = b"" if is_trial else b";w=%d" % _SECONDS_A_MONTH
    policy = b'"requests";q=%d;w=1, "units";q=%d%b' % (rate, units, window)
    return Terms(units, rate, policy, units - max(_LAST_UNITS, units // _LAST_SHARE))


class Quota:
    """What an account, or a trial, has used in its present period, as far as is known here."""

    __slots__ = (
        "__weakref__",
        "ends_ms",
        "later_at",
        "learned_at",
        "reserved",
        "scope_element",
        "scope_id",
        "settled_at",
        "starts_element",
        "starts_text",
        "total",
        "whole_at",
    )

    def __init__(self, scope_id: str, starts_text: str, ends_ms: int, elements: tuple[str, str]):
        self.scope_id = scope_id
        self.starts_text = starts_text
        self.ends_ms = ends_ms
        """When the next period begins, by the database's clock; 0 if there is no next one."""
        self.scope_element, self.starts_element = elements
        self.total = 0
        self.reserved = 0
        self.settled_at = self.learned_at = self.later_at = 0.0
        self.whole_at = 0.0
        """From when on the database's total holds all that was counted later here; or never."""

    def learn(self, total: int, asked_at: float) -> None:
        """The database's total, asked for at this moment of the monotonic clock.

        A smaller one than is known is older news, unless nothing was settled here since, and
        nothing is left that it does not hold yet: then units were given back.
        """
        if total >= self.total or max(self.settled_at, self.whole_at) < asked_at:
            self.total = total
        self.learned_at = time.monotonic()

    def settle(self, total: int, units: int, sent_at: float, received: float) -> None:
        """The total after calls of ours, of so many units, were written and counted at once.

        In a statement sent and answered at these moments.
        """
        if sent_at <= self.whole_at:
            self.total = max(self.total + units, total)
        else:
            self.total = total if sent_at > self.learned_at else max(self.total, total)
        self.settled_at = received

    def settle_later(self, units: int, received: float) -> None:
        """Calls of ours, of so many units, were written, and are counted when they are folded."""
        self.total += units
        self.settled_at = self.later_at = received
        self.whole_at = math.inf

    def note_fold(self, began: float, ended: float) -> bool:
        """Whether all that was counted later here is folded, now that this fold is done."""
        if self.later_at >= began:
            return False
        self.whole_at = ended
        return True

    def reserve(self, units: int, limit: int, now_ms: int) -> None:
        """Keep so many more units for a call. Raises QuotaExceeded; 0 units always fit."""
        if units > 0 and self.total + self.reserved + units > limit:
            fits_later = self.ends_ms and units <= limit
            raise QuotaExceeded(self.seconds_left(now_ms) if fits_later else None)
        self.reserved += units

    def remaining(self, limit: int) -> int:
        """Units that are neither used nor reserved."""
        return max(0, limit - self.total - self.reserved)

    def seconds_left(self, now_ms: int) -> int:
        """Whole seconds until the next period, at least 1."""
        return max(1, math.ceil((self.ends_ms - now_ms) / 1000))


class Bucket:
    """A token bucket: one second's requests at most, filled steadily.

    Below zero when other processes let in more than there was.
    """

    __slots__ = ("_filled_at", "taken", "tokens")

    def __init__(self) -> None:
        self.tokens = math.inf  # full, whatever the rate
        self._filled_at = 0.0
        self.taken = 0
        """How many were taken here of which other processes have not been told."""

    def take(self, rate: int, now: float) -> None:
        """Take a token at this moment of the monotonic clock. Raises RateLimited."""
        tokens = min(float(rate), self.tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if tokens < 1:
            self.tokens = tokens
            raise RateLimited((1 - tokens) / rate)
        self.tokens = tokens - 1
        self.taken += 1

    def put_back(self) -> None:
        """The token that was just taken was not needed."""
        self.tokens += 1
        self.taken -= 1

    def debit(self, count: int, rate: int, now: float) -> None:
        """So many were taken in other processes, as is heard at this moment."""
        tokens = min(float(rate), self.tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        self.tokens = max(tokens - count, -DEBT_SECONDS * rate)

    def left(self, rate: int) -> int:
        """Whole tokens that were left after the last one was taken."""
        return max(0, int(min(self.tokens, rate)))
