"""One request on its way through the meter."""

import time

from app.core.ids import new_call_id
from app.metering.asgi import Headers
from app.metering.caller import Caller
from app.metering.grants import Grant
from app.metering.limits import Quota
from app.metering.problems import QuotaExceeded
from app.metering.recorder import CallRow, Settled
from app.metering.routes import Route

_FIRST_FREE_STATUS = 400
_LINES = (
    b"x-request-id: %b\r\nx-units: %d\r\nx-quota-remaining: %d\r\nratelimit-policy: %b\r\n"
    b'ratelimit: "requests";r=%d;t=1, "units";r=%d%b\r\n'
)
_TRIAL_LINE = b"x-trial-ends: %b\r\n"


class Call:
    """What is known of a request so far; `grant` and `quota` once its key is known."""

    __slots__ = (
        "created_ms",
        "grant",
        "id",
        "is_admitted",
        "method",
        "quota",
        "refusal",
        "request_body",
        "request_type",
        "reserved",
        "route",
        "started",
    )

    def __init__(self, started: float, created_ms: int, method: str, route: Route) -> None:
        """`started` is now on the monotonic clock, `created_ms` the same by the database's."""
        self.started = started
        self.created_ms = created_ms
        self.id = new_call_id(created_ms)
        self.method = method
        self.route = route
        self.grant: Grant | None = None
        self.quota: Quota | None = None
        self.is_admitted = False
        self.refusal: QuotaExceeded | None = None
        """What the inner app was told when it asked for more units than there are."""
        self.reserved = 0
        self.request_body = b""
        self.request_type = ""

    def begin_at(self, created_ms: int) -> None:
        """It came at this time of the database; its id says the same."""
        self.created_ms = created_ms
        self.id = new_call_id(created_ms)

    def belongs_to(self, grant: Grant) -> None:
        """Its key is this one; the period that it counts in is the present one."""
        self.grant = grant
        self.quota = grant.quota

    def admit(self) -> Caller:
        """Reserve the route's units: here is who calls, for the inner app. Raises QuotaExceeded."""
        grant = self._known()
        self.keep(self.route.units)
        self.is_admitted = True
        # Not kept here: a call that nothing but itself refers to is gone without the collector.
        return Caller(grant.key_id, grant.tier, grant.owner_id, self.keep)

    def keep(self, units: int) -> None:
        """Have so many units reserved, not those of before. Raises QuotaExceeded."""
        grant, quota = self._known(), self.quota
        assert quota is not None  # noqa: S101  # it comes with the grant
        try:
            quota.reserve(units - self.reserved, grant.terms.units, self.created_ms)
        except QuotaExceeded as error:
            self.refusal = error
            raise
        self.reserved = units

    def units(self, status: int) -> int:
        """What an answer with this status costs: 2xx and 3xx their units, all others nothing."""
        return self.reserved if self.is_admitted and status < _FIRST_FREE_STATUS else 0

    def row(self, status: int, request: str | None = None, answer: str | None = None) -> CallRow:
        """The row of this call, answered with this status now. It takes over what is reserved.

        `request` and `answer` are what is stored of the bodies, as JSON text.
        """
        grant, quota = self._known(), self.quota
        assert quota is not None  # noqa: S101  # it comes with the grant
        units = self.units(status)
        return CallRow(
            self.id,
            grant,
            quota,
            self.route.template,
            self.method,
            status,
            self.latency_ms(),
            units,
            self.created_ms,
            self.reserved,
            request,
            answer,
        )

    def lines(self, status: int) -> bytes:
        """The headers that every answer carries: the id; of a known key what it cost, what is left.

        As lines of a response's head, each with its end.
        """
        grant, quota = self.grant, self.quota
        if grant is None or quota is None:
            return b"x-request-id: %b\r\n" % self.id.encode()
        terms = grant.terms
        left = quota.remaining(terms.units)
        lines = _LINES % (
            self.id.encode(),
            self.units(status),
            left,
            terms.policy,
            grant.bucket.left(terms.requests_per_second),
            left,
            b";t=%d" % quota.seconds_left(self.created_ms) if quota.ends_ms else b"",
        )
        return lines if grant.trial_ends is None else lines + _TRIAL_LINE % grant.trial_ends

    def headers(self, status: int) -> Headers:
        """The same, one by one."""
        pairs = (line.split(b": ", 1) for line in self.lines(status).splitlines())
        return [(name, value) for name, value in pairs]

    def end(self, *, is_aborted: bool) -> Settled:
        """The end of a streamed answer, now."""
        return Settled(self.id, self._known().is_trial, self.latency_ms(), is_aborted)

    def latency_ms(self) -> int:
        """Whole milliseconds since the call came."""
        return int((time.monotonic() - self.started) * 1000)

    def _known(self) -> Grant:
        if self.grant is None:
            raise RuntimeError("the call's key is not known")
        return self.grant
