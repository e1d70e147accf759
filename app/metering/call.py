"""One request on its way through the meter."""

import time
from dataclasses import dataclass, field

from app.metering.caller import Caller
from app.metering.grants import Grant
from app.metering.recorder import CallRow
from app.metering.routes import Route

_FIRST_FREE_STATUS = 400


@dataclass(slots=True)
class Call:
    """What is known of a request so far; `grant` and `caller` once its key is known."""

    id: str
    created_ms: int
    method: str
    route: Route
    grant: Grant | None = None
    caller: Caller | None = None
    _started: float = field(default_factory=time.perf_counter)

    def admit(self) -> Caller:
        """The key may call: here is who calls, for the inner app."""
        if self.grant is None:
            raise RuntimeError("only a call with a grant can be admitted")
        grant = self.grant
        self.caller = Caller(key_id=grant.key_id, tier=grant.tier, owner_id=grant.owner_id)
        return self.caller

    def units(self, status: int) -> int:
        """What an answer with this status costs: 2xx and 3xx their units, all others nothing."""
        if status >= _FIRST_FREE_STATUS or self.caller is None:
            return 0
        reserved = self.caller.reserved_units
        return self.route.units if reserved is None else reserved

    def row(self, status: int) -> CallRow:
        """The row of this call, answered with this status now."""
        if self.grant is None:
            raise RuntimeError("only a call with a grant has a row")
        return CallRow(
            id=self.id,
            key_id=self.grant.key_id,
            is_trial=self.grant.is_trial,
            owner_id=self.grant.owner_id,
            endpoint=self.route.template,
            method=self.method,
            status=status,
            latency_ms=int((time.perf_counter() - self._started) * 1000),
            units=self.units(status),
            created_ms=self.created_ms,
        )
