"""Writes calls: a place first, then the row, and an answer only when it is committed."""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.metering.clock import DatabaseClock
from app.metering.grants import Grant
from app.metering.group_commit import DATABASE_SECONDS, Done, GroupCommit, Kind, Result
from app.metering.limits import Quota
from app.metering.problems import RecordingUnavailable
from app.metering.wire import DatabaseUnavailable, array, element

if TYPE_CHECKING:
    from app.metering.claims import Claim

logger = logging.getLogger(__name__)

PLACES = 2048
"""How many calls may be in work at once; the next is refused, not kept waiting."""

_SHARE = 4  # one key may have a quarter of the places
_SLOTS = 8
"""Over how many rows of UsagePeriod the processes spread, so as not to wait for each other."""

_RECORD = (
    b"SELECT * FROM latchkey.record_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
    b"$14, $15, $16)"
)
_SETTLE = b"SELECT latchkey.settle_calls($1, $2, $3, $4)"
_REPEAT = b"SELECT latchkey.repeat_calls($1, $2)"


class CallRow(NamedTuple):
    """One row of ApiCall, or of TrialApiCall for a trial key. Bodies are JSON text.

    `reserved` are the units that were kept for it in its quota, given back when it is settled.
    `claim` is its hold on an `Idempotency-Key`, which ends in the same transaction.
    """

    id: str
    grant: Grant
    quota: Quota
    endpoint: str
    method: str
    status: int
    latency_ms: int
    units: int
    created_ms: int
    reserved: int
    request_body: str | None = None
    response_body: str | None = None
    claim: "Claim | None" = None


class Settled(NamedTuple):
    """The end of a streamed answer."""

    id: str
    is_trial: bool
    latency_ms: int
    is_aborted: bool


class Repeated(NamedTuple):
    """The row with this id stands for so many refusals by now."""

    id: str
    times: int


class Recorder:
    """Commits call rows in groups. Takes calls between `open()` and `drain()`.

    At most `places` are in work at once, and a quarter of them for one key.
    """

    def __init__(
        self,
        clock: DatabaseClock,
        *,
        places: int = PLACES,
        seconds: float = DATABASE_SECONDS,
    ) -> None:
        self._clock = clock
        self._places = places
        self._share = max(1, places // _SHARE)
        self._slot = new_slot()
        self._sent_at = 0.0
        self._is_open = False
        self._taken = 0
        self._none_taken = asyncio.Event()
        self._none_taken.set()
        self._later: set[asyncio.Future[None]] = set()
        self._calls: Kind[CallRow] = Kind(_RECORD, self._params, self._written, free_reserved)
        self._settled: Kind[Settled] = Kind(_SETTLE, _settled_params)
        self._repeated: Kind[Repeated] = Kind(_REPEAT, _repeated_params)
        self._commit = GroupCommit([self._calls, self._settled, self._repeated], seconds=seconds)
        self.recorded = 0
        """How many calls this process has committed."""

    def open(self, url: str) -> None:
        """From now on places are given."""
        self._commit.open(url)
        self._is_open = True

    @property
    def is_well(self) -> bool:
        """Whether the last thing that was written was written."""
        return self._commit.is_well

    def take_place(self, grant: Grant) -> None:
        """Room for one row, to be asked for before any work. Raises RecordingUnavailable.

        Whoever took it gives it back, after its row is written or will not be.
        """
        if not self._is_open or self._taken >= self._places or grant.in_work >= self._share:
            raise RecordingUnavailable
        if self._taken == 0:
            self._none_taken.clear()
        self._taken += 1
        grant.in_work += 1

    def give_back(self, grant: Grant) -> None:
        """The place is free for another call."""
        grant.in_work -= 1
        self._taken -= 1
        if self._taken == 0:
            self._none_taken.set()

    async def write(self, row: CallRow) -> None:
        """Return when the row is committed. Raises RecordingUnavailable when nobody can say.

        In either case what was reserved for it is free again, or charged.
        """
        try:
            if row.claim is None:
                await self._commit.write(self._calls, row)
            else:
                await row.claim.write(row)
        except DatabaseUnavailable as error:
            raise RecordingUnavailable from error

    def write_then(self, row: CallRow, done: Done) -> None:
        """As `write`, but `done` is told instead, with the error if there is one."""
        self._commit.write_then(self._calls, row, done)

    async def settle(self, settled: Settled) -> None:
        """Write the end of a streamed answer; its row is committed already."""
        try:
            await self._commit.write(self._settled, settled)
        except DatabaseUnavailable as error:
            logger.warning("the final latency of call %s is lost: %s", settled.id, error)

    async def repeat(self, repeated: Repeated) -> None:
        """Return when this is committed. Raises RecordingUnavailable."""
        try:
            await self._commit.write(self._repeated, repeated)
        except DatabaseUnavailable as error:
            raise RecordingUnavailable from error

    def write_later(self, row: CallRow) -> None:
        """Record a call that nobody waits for any more, and give its place back."""
        task = asyncio.ensure_future(self._write_unheard(row))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def settle_later(self, settled: Settled) -> None:
        """Write the end of a streamed answer for which nobody waits any more."""
        task = asyncio.ensure_future(self.settle(settled))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _write_unheard(self, row: CallRow) -> None:
        try:
            await self.write(row)
        except RecordingUnavailable:
            logger.warning("call %s, whose client was gone, could not be recorded", row.id)
        finally:
            self.give_back(row.grant)

    async def drain(self, *, seconds: float) -> None:
        """Give no more places, wait for those that are taken, and write what is left."""
        self._is_open = False
        try:
            await asyncio.wait_for(self._none_taken.wait(), seconds)
        except TimeoutError:
            logger.warning("stopped while %d calls were in work", self._taken)
        await self._commit.close()

    def _params(self, rows: Sequence[CallRow]) -> list[bytes | None]:
        self._sent_at = time.monotonic()
        return self.call_params(rows)

    def call_params(self, rows: Sequence[CallRow]) -> list[bytes | None]:
        """The parameters of `latchkey.record_calls`, in the order of `by_key`."""
        # Sorted, so that batches of two nodes never wait for each other's keys crosswise.
        rows = sorted(rows, key=by_key)
        ids, grants, quotas, endpoints, methods, *numbers, requests, answers, _ = zip(
            *rows, strict=True
        )
        statuses, latencies, units, created, _ = numbers
        ordered = _in_order(quotas)
        positions = {quota: position for position, quota in enumerate(ordered, 1)}
        return [
            self._slot,
            array(ids),
            array(["t" if grant.is_trial else "f" for grant in grants]),
            array([grant.key_element for grant in grants]),
            array([grant.owner_element for grant in grants]),
            array([_element(endpoint) for endpoint in endpoints]),
            array([_element(method) for method in methods]),
            array(map(str, statuses)),
            array(map(str, latencies)),
            array(map(str, units)),
            array(map(str, created)),
            _bodies(requests),
            _bodies(answers),
            array([str(positions[quota]) for quota in quotas]),
            array([quota.scope_element for quota in ordered]),
            array([quota.starts_element for quota in ordered]),
        ]

    def _written(self, rows: Sequence[CallRow], result: Result) -> None:
        received = time.monotonic()
        self._clock.observe(int(result.get_value(0, 0) or 0), self._sent_at, received)
        self.settle_units(rows, result, self._sent_at, received)

    def settle_units(
        self, rows: Sequence[CallRow], result: Result, sent_at: float, received: float
    ) -> None:
        """They are committed, in a statement sent and answered at these moments.

        Free what was reserved, and learn the totals of all nodes.
        """
        for row in rows:
            row.quota.reserved -= row.reserved
        totals = (result.get_value(0, 1) or b"{}")[1:-1].split(b",")
        for quota, total in zip(_in_order(row.quota for row in rows), totals, strict=True):
            quota.settle(int(total), sent_at, received)
        self.recorded += len(rows)


def new_slot() -> bytes:
    """Where a connection counts: two that count the same account then seldom wait in line."""
    return b"%d" % secrets.randbelow(_SLOTS)


def free_reserved(row: CallRow) -> None:
    """It will not be written: what was reserved for it is free again."""
    row.quota.reserved -= row.reserved


_elements: dict[str, str] = {}


def _element(name: str) -> str:
    """`element` of a route's or method's name: few, and used again and again."""
    found = _elements.get(name)
    if found is None:
        if len(_elements) > 1000:  # noqa: PLR2004  # a program may invent methods
            _elements.clear()
        found = _elements[name] = element(name)
    return found


def _bodies(texts: Sequence[str | None]) -> bytes | None:
    if not any(texts):
        return None
    return array(["NULL" if text is None else element(text) for text in texts])


def by_key(row: CallRow) -> str:
    """The order in which a batch is written."""
    return row.grant.key_id


def _in_order(quotas: Iterable[Quota]) -> list[Quota]:
    """Each once, in the order in which they are counted."""
    return sorted(set(quotas), key=_by_scope)


def _by_scope(quota: Quota) -> tuple[str, str]:
    return quota.scope_id, quota.starts_text


def _settled_params(rows: Sequence[Settled]) -> list[bytes | None]:
    rows = sorted(rows)
    return [
        array([row.id for row in rows]),
        array(["t" if row.is_trial else "f" for row in rows]),
        array([str(row.latency_ms) for row in rows]),
        array(["t" if row.is_aborted else "f" for row in rows]),
    ]


def _repeated_params(rows: Sequence[Repeated]) -> list[bytes | None]:
    most: dict[str, int] = {}
    for row in rows:
        most[row.id] = max(row.times, most.get(row.id, 0))
    return [array(most), array(map(str, most.values()))]
