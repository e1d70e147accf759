"""Group commit: what gathers while one batch is being written is the next batch."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from psycopg import pq

from app.metering.wire import DatabaseUnavailable, Line, StatementRefused

logger = logging.getLogger(__name__)

DATABASE_SECONDS = 5.0
"""The longest that a row, with all retries, may keep a request waiting."""

MOST_ROWS = 500
"""Of one batch: so that a batch is soon written, whatever has gathered."""

MOST_BYTES = 4 * 1024 * 1024
"""Of one batch of rows that are weighed; one row may be more."""

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
# Refusals that time cures: serialisation, deadlock, lock timeout, cancelled, no room, shutting
# down, read-only after a failover.
_PASSING = ("40", "55P03", "57", "53", "08", "25006")
_IS_THERE = "23505"

RowT = TypeVar("RowT")
Result = pq.abc.PGresult
Done = Callable[[DatabaseUnavailable | None], None]
"""Told once: None when the row is committed, else why nobody can say that it is."""

Batch = list[tuple[Any, Done, float]]
"""Rows, whom to tell, and until when on the loop's clock; the oldest first."""


class Kind(Generic[RowT]):
    """One statement that writes many rows, and bears being sent again with any of them."""

    def __init__(
        self,
        statement: bytes,
        params: Callable[[Sequence[RowT]], list[bytes | None]],
        written: Callable[[Sequence[RowT], Result], None] | None = None,
        given_up: Callable[[RowT], None] | None = None,
        weight: Callable[[RowT], int] | None = None,
        *,
        name: bytes | None = None,
    ) -> None:
        """`name`: prepare the statement under it on each connection, if the server lets us."""
        self.statement = statement
        self.name = name
        self.params = params
        self.written = written
        self.given_up = given_up
        self.waiting: list[tuple[RowT, Done, float]] = []
        self.is_again = False
        """For `params` and `written`: whether some of these rows may have been written before."""
        self._weight = weight

    def take(self) -> Batch:
        """The next batch of what is waiting."""
        count = MOST_ROWS if self._weight is None else self._count_within(MOST_BYTES)
        batch = self.waiting[:count]
        del self.waiting[:count]
        return batch

    def _count_within(self, most_bytes: int) -> int:
        assert self._weight is not None  # noqa: S101  # the caller has just looked
        total = 0
        for count, one in enumerate(self.waiting[:MOST_ROWS]):
            total += self._weight(one[0])
            if total > most_bytes:
                return max(1, count)
        return MOST_ROWS


class GroupCommit:
    """Writes the rows of some kinds on one connection, one batch at a time.

    No timer: under light load a row is a batch of one. A row is given up `seconds` after it
    came; one that the database refuses is found by halving, and only it fails. A row that is
    there already, sent as a new one, is sent again as one that may be there.
    """

    def __init__(self, kinds: Sequence[Kind[Any]], *, seconds: float = DATABASE_SECONDS) -> None:
        self._kinds = kinds
        self._seconds = seconds
        self._line = Line()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.is_well = True
        """Whether the last batch was written at the first attempt."""
        self.batches = 0
        self.batch_seconds = 0.0
        """How many batches were written, and how long the database took for them in all."""

    @property
    def waiting(self) -> int:
        """How many rows are not on their way yet."""
        return sum(len(kind.waiting) for kind in self._kinds)

    def open(self, url: str) -> None:
        """Begin to write."""
        self._line.open(url)
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._write_for_ever())

    async def close(self) -> None:
        """Write what is waiting, boundedly, and disconnect."""
        if self._task is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), self._seconds)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._loop = None
        for kind in self._kinds:
            left, kind.waiting = kind.waiting, []
            _give_up(kind, left, DatabaseUnavailable("the meter stops"))
        self._line.close()

    def write(self, kind: Kind[RowT], row: RowT) -> "asyncio.Future[None]":
        """Done when the row is committed; DatabaseUnavailable when nobody can say."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.write_then(kind, row, partial(_settle, future))
        return future

    def write_then(self, kind: Kind[RowT], row: RowT, done: Done) -> None:
        """As `write`, and tell `done`, which must not raise: quicker than waking a task."""
        if self._loop is None:
            raise DatabaseUnavailable("the meter has not been started")
        kind.waiting.append((row, done, self._loop.time() + self._seconds))
        if len(kind.waiting) == 1:
            self._idle.clear()
            self._wake.set()

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while any(kind.waiting for kind in self._kinds):
                # In turn: one kind without an end must not keep the others waiting.
                for kind in self._kinds:
                    if kind.waiting:
                        await self._write(kind, kind.take())
            self._idle.set()

    async def _write(self, kind: Kind[Any], batch: Batch, *, is_again: bool = False) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while batch:
            kind.is_again = is_again
            try:
                await self._write_once(kind, batch)
            except StatementRefused as refusal:
                if refusal.sqlstate == _IS_THERE and not is_again:
                    is_again = True
                    continue
                if not refusal.sqlstate.startswith(_PASSING):
                    await self._part(kind, batch, refusal, is_again=is_again)
                    return
                logger.warning("the database could not take a batch yet: %s", refusal)
            except DatabaseUnavailable as error:
                logger.warning("the database did not answer, asking again: %s", error)
            except Exception:  # a fault of ours must not end the writing of all others
                logger.exception("a batch could not be written")
                _give_up(kind, batch, DatabaseUnavailable("Latchkey itself failed"))
                return
            else:
                self.is_well = True
                return
            is_again = True  # also after a refusal: some say that the outcome is not known
            self.is_well = False
            batch = self._without_overdue(kind, batch)
            if batch:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                batch = self._without_overdue(kind, batch)

    async def _write_once(self, kind: Kind[Any], batch: Batch) -> None:
        rows = [one[0] for one in batch]
        began = asyncio.get_running_loop().time()
        seconds = batch[0][2] - began  # the oldest comes first
        result = await self._line.ask(
            kind.statement, kind.params(rows), seconds=seconds, name=kind.name
        )
        self.batches += 1
        self.batch_seconds += asyncio.get_running_loop().time() - began
        if kind.written is not None:
            _note(kind.written, rows, result)
        # The next batch goes out first: the database works while the news is told.
        asyncio.get_running_loop().call_soon(_tell_all, batch)

    async def _part(
        self, kind: Kind[Any], batch: Batch, refusal: StatementRefused, *, is_again: bool
    ) -> None:
        """Some row of the batch is refused: find it, and let only it fail."""
        if len(batch) == 1:
            logger.error("the database refused a row: %s", refusal)
            _give_up(kind, batch, refusal)
            return
        middle = len(batch) // 2
        await self._write(kind, batch[:middle], is_again=is_again)
        await self._write(kind, batch[middle:], is_again=is_again)

    def _without_overdue(self, kind: Kind[Any], batch: Batch) -> Batch:
        now = asyncio.get_running_loop().time()
        overdue = [one for one in batch if one[2] <= now]
        _give_up(kind, overdue, DatabaseUnavailable("no answer from the database in time"))
        return [one for one in batch if one[2] > now]


def _give_up(kind: Kind[Any], batch: Batch, error: DatabaseUnavailable) -> None:
    for row, done, _ in batch:
        if kind.given_up is not None:
            kind.given_up(row)
        _tell(done, error)


def _note(written: Callable[[Any, Result], None], rows: Sequence[Any], result: Result) -> None:
    """They are committed, whatever becomes of what we make of it."""
    try:
        written(rows, result)
    except Exception:
        logger.exception("what a batch was answered could not be noted")


def _tell_all(batch: Batch) -> None:
    for _, done, _ in batch:
        _tell(done, None)


def _tell(done: Done, error: DatabaseUnavailable | None) -> None:
    try:
        done(error)
    except Exception:
        logger.exception("whoever waited for a row failed to hear of it")


def _settle(future: "asyncio.Future[None]", error: DatabaseUnavailable | None) -> None:
    if future.done():
        return  # nobody waits any more for one that was cancelled
    if error is None:
        future.set_result(None)
    elif isinstance(error, StatementRefused):
        future.set_exception(error)  # a row that was refused alone
    else:
        future.set_exception(DatabaseUnavailable(str(error)))  # each its own traceback
