"""Writes calls: a place first, then the row, and an answer only when it is committed."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.core.crypto import sha256_hex
from app.metering.clock import DatabaseClock
from app.metering.grants import Grant
from app.metering.group_commit import DATABASE_SECONDS, Done, GroupCommit, Kind, Result
from app.metering.limits import Quota
from app.metering.problems import RecordingUnavailable
from app.metering.sending import Sending
from app.metering.wire import DatabaseUnavailable, array

if TYPE_CHECKING:
    from app.metering.claims import Claim

logger = logging.getLogger(__name__)

PLACES = 2048
"""How many calls may be in work at once; the next is refused, not kept waiting."""

_SHARE = 4  # one key may have a quarter of the places
_SLOTS = 8
"""Over how many rows of UsagePeriod the processes spread, so as not to wait for each other."""

_RECORD = (
    b"SELECT * FROM latchkey.write_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
    b"$14, $15, $16, $17)"
)
_RECORD_NAME = f"write_calls_{sha256_hex(_RECORD.decode())[:16]}".encode()
"""Of this very statement: another release, behind the same pooler, may have another."""

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
        self._sending: Sending
        self._is_open = False
        self._taken = 0
        self._none_taken = asyncio.Event()
        self._none_taken.set()
        self._later: set[asyncio.Future[None]] = set()
        self._calls: Kind[CallRow] = Kind(
            _RECORD, self._params, self._written, free_reserved, name=_RECORD_NAME
        )
        self._settled: Kind[Settled] = Kind(_SETTLE, _settled_params)
        self._repeated: Kind[Repeated] = Kind(_REPEAT, _repeated_params)
        self._commit = GroupCommit([self._calls, self._settled, self._repeated], seconds=seconds)
        self.recorded = 0
        """How many calls this process has committed."""
        self.answers: Counter[int] = Counter()
        """How many of its own calls it has committed, by the answer's status."""
        self.refused: Counter[str] = Counter()
        """How often a request got each problem, by its code, whether or not that was recorded."""
        self.later: set[Quota] = set()
        """The quotas whose total, in the database, lacks calls that are counted later."""

    def open(self, url: str) -> None:
        """From now on places are given."""
        self._commit.open(url)
        self._is_open = True

    @property
    def in_work(self) -> int:
        """How many places are taken."""
        return self._taken

    @property
    def commit(self) -> GroupCommit:
        """What writes the rows."""
        return self._commit

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
        self._sending = sending = Sending(rows, may_count_later=True)
        is_again = b"t" if self._calls.is_again else b"f"
        return [is_again, self._slot, *sending.columns(), *sending.periods()]

    def _written(self, _: Sequence[CallRow], result: Result) -> None:
        received = time.monotonic()
        sending = self._sending
        self._clock.observe(int(result.get_value(0, 0) or 0), sending.sent_at, received)
        self.settle_units(sending, result, received, is_again=self._calls.is_again)

    def settle_units(
        self, sending: Sending, result: Result, received: float, *, is_again: bool
    ) -> None:
        """They are committed; the result's second column says the totals."""
        self.later |= sending.settle(result.get_value(0, 1), received, is_again=is_again)
        self.recorded += len(sending.rows)
        self.answers.update([row.status for row in sending.rows])


def new_slot() -> bytes:
    """Where a connection counts: two that count the same account then seldom wait in line."""
    return b"%d" % secrets.randbelow(_SLOTS)


def free_reserved(row: CallRow) -> None:
    """It will not be written: what was reserved for it is free again."""
    row.quota.reserved -= row.reserved


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
