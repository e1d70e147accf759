"""Writes calls that services elsewhere have finished, on a connection of its own.

Apart from the recorder, so that a thousand of them at once keep no customer's call waiting.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import LatchkeyError
from app.metering.grants import text
from app.metering.group_commit import DATABASE_SECONDS, GroupCommit, Kind, Result
from app.metering.key_cache import KeyCache
from app.metering.problems import CallRefused, RecordingUnavailable, ReportUnconfirmed
from app.metering.recorder import Recorder, new_slot
from app.metering.wire import StatementRefused, array, element

logger = logging.getLogger(__name__)

MOST_REPORTS = 16
"""How many requests may be in work at once; the next is refused, not kept waiting."""

_COMPLETE = b"SELECT * FROM latchkey.complete_calls($1, $2, $3, $4, $5, $6, $7, $8)"
_RECORD = (
    b"SELECT * FROM latchkey.record_finished($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
)
# Refusals of what a row holds: data, constraints, what a trigger raises. All others are no
# fault of the call, and it is not to be given up for them.
_OF_THE_ROW = ("22", "23", "44", "P0")


@dataclass(slots=True)
class Completion:
    """The end of a call that has its row; `outcome` is what the database said."""

    id: str
    key_id: str | None
    key_hash: str | None
    status: int
    latency_ms: int
    request_body: str | None
    response_body: str | None
    outcome: str = ""


@dataclass(slots=True)
class Finished(Completion):
    """A whole call, to be recorded at `created_ms`."""

    endpoint: str = ""
    method: str = ""
    units: int = 0
    created_ms: int = 0


class FinishedCalls:
    """Takes requests between `open()` and `drain()`, and commits their calls in groups."""

    def __init__(
        self, recorder: Recorder, keys: KeyCache, *, seconds: float = DATABASE_SECONDS
    ) -> None:
        self._recorder = recorder
        self._keys = keys
        self._slot = new_slot()
        self._sent_at = 0.0
        self._is_open = False
        self._in_work = 0
        self._none_in_work = asyncio.Event()
        self._none_in_work.set()
        self._completed: Kind[Completion] = Kind(_COMPLETE, self._params, self._written)
        self._finished: Kind[Finished] = Kind(_RECORD, self._whole_params, self._written)
        self._commit = GroupCommit([self._completed, self._finished], seconds=seconds)

    def open(self, url: str) -> None:
        """From now on calls are taken."""
        self._commit.open(url)
        self._is_open = True

    async def drain(self, *, seconds: float) -> None:
        """Take no more, finish what is in work, disconnect."""
        self._is_open = False
        try:
            await asyncio.wait_for(self._none_in_work.wait(), seconds)
        except TimeoutError:
            logger.warning("stopped while reports of %d services were in work", self._in_work)
        await self._commit.close()

    def take_place(self) -> None:
        """Room for one request. Raises RecordingUnavailable; whoever took it gives it back."""
        if not self._is_open or self._in_work >= MOST_REPORTS:
            raise RecordingUnavailable
        self._in_work += 1
        self._none_in_work.clear()

    def give_back(self) -> None:
        """The request is done."""
        self._in_work -= 1
        if self._in_work == 0:
            self._none_in_work.set()

    async def write(self, calls: Sequence[Completion]) -> list[LatchkeyError | None]:
        """For each call, once it is committed: its `outcome`, or what refuses it alone.

        Raises ReportUnconfirmed when of some nobody can say; sending all again does no harm.
        """
        results = await asyncio.gather(*map(self._enqueue, calls), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not _is_of_the_row(result):
                raise ReportUnconfirmed from result
        return [None if result is None else CallRefused() for result in results]

    def _enqueue(self, call: Completion) -> "asyncio.Future[None]":
        if isinstance(call, Finished):
            return self._commit.write(self._finished, call)
        return self._commit.write(self._completed, call)

    def _params(self, rows: Sequence[Completion]) -> list[bytes | None]:
        self._sent_at = time.monotonic()
        return [self._slot, *_whose(rows), *_how(rows), *_bodies(rows)]

    def _whole_params(self, rows: Sequence[Finished]) -> list[bytes | None]:
        self._sent_at = time.monotonic()
        return [
            self._slot,
            *_whose(rows),
            _texts([row.endpoint for row in rows]),
            _texts([row.method for row in rows]),
            *_how(rows),
            array([str(row.units) for row in rows]),
            array([str(row.created_ms) for row in rows]),
            *_bodies(rows),
        ]

    def _written(self, rows: Sequence[Completion], result: Result) -> None:
        """Take the outcomes over, and learn what the accounts have used by now."""
        periods: dict[tuple[str, str], int] = {}
        for number, row in enumerate(rows):
            outcome, scope_id, starts, total = (result.get_value(number, at) for at in range(4))
            row.outcome = text(outcome)
            if scope_id is not None:
                periods[text(scope_id), text(starts)] = int(total or 0)
        for (scope, period), units in periods.items():
            self._keys.learn_total(scope, period, units, self._sent_at)
        self._recorder.recorded += len(rows)


def _is_of_the_row(error: BaseException) -> bool:
    return isinstance(error, StatementRefused) and error.sqlstate.startswith(_OF_THE_ROW)


def _whose(rows: Sequence[Completion]) -> list[bytes]:
    return [
        array([row.id for row in rows]),
        _texts([row.key_id for row in rows]),
        _texts([row.key_hash for row in rows]),
    ]


def _how(rows: Sequence[Completion]) -> list[bytes]:
    return [
        array([str(row.status) for row in rows]),
        array([str(row.latency_ms) for row in rows]),
    ]


def _bodies(rows: Sequence[Completion]) -> list[bytes]:
    return [
        _texts([row.request_body for row in rows]),
        _texts([row.response_body for row in rows]),
    ]


def _texts(values: Sequence[str | None]) -> bytes:
    return array(["NULL" if value is None else element(value) for value in values])
