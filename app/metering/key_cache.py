"""Digest to grant, remembered: what a key may do is asked once, then watched."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from weakref import WeakValueDictionary

from app.billing.plans import Plans
from app.metering.clock import DatabaseClock
from app.metering.grants import CHANGED, FIND, Grant, Row, text
from app.metering.group_commit import DATABASE_SECONDS, Result
from app.metering.limits import Quota, Terms, make_terms
from app.metering.problems import RecordingUnavailable
from app.metering.wire import DatabaseUnavailable, Line, array, element

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 0.4
"""How often every key in use is asked for again, whether or not a notification came."""

DEAD_SECONDS = 0.8
"""How old an answer may be: so a change holds everywhere within a second, or the key waits."""

MOST_GRANTS = 200_000
_MOST_UNKNOWN = 20_000
_UNKNOWN_SECONDS = 0.8
_MOST_STRANGERS = 4096
"""How many keys that were not seen before may wait for a look-up; the next gets a 503."""

_MOST_ASKED = 1000
_MOST_STRANGERS_ASKED = 250
"""Of one query: so that those behind it, of keys that were seen before, do not wait long."""

_IN_USE_SECONDS = 1.0
_LEARN_SECONDS = 5.0
_MOST_LEARNED = 100
_COLUMNS = 17
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.25)


class KeyCache:
    """Finds grants. Look-ups of one digest are one; those of many go in one query.

    One query at a time. Keys that were seen before go first, whoever else tries keys that do
    not exist; those never get a wrong answer, but a 503 when too many of them wait.

    An answer counts from when it was asked for, so what a query saw before a change is never
    taken for news after it.
    """

    def __init__(
        self,
        clock: DatabaseClock,
        plans: Callable[[], Plans],
        *,
        seconds: float = DATABASE_SECONDS,
        most: int = MOST_GRANTS,
    ) -> None:
        self._clock = clock
        self._plans = plans
        self._seconds = seconds
        self._most = most
        self._line = Line()
        self._grants: dict[bytes, Grant] = {}
        self._in_use: dict[bytes, Grant] = {}
        self._unknown: dict[bytes, float] = {}
        self._asked: dict[bytes, asyncio.Future[Grant | None]] = {}
        self._strangers: dict[bytes, asyncio.Future[Grant | None]] = {}
        self._quotas: WeakValueDictionary[tuple[str, str], Quota] = WeakValueDictionary()
        self._terms: dict[tuple[str, bool], Terms] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, url: str) -> None:
        """Begin to answer."""
        self._line.open(url)
        self._tasks = [
            asyncio.create_task(self._look_up_for_ever()),
            asyncio.create_task(self._recheck_for_ever()),
        ]

    async def close(self) -> None:
        """Disconnect; whoever waits for an answer gets none."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        for asked in (self._asked, self._strangers):
            for waiting in asked.values():
                _fail(waiting)
            asked.clear()
        self._line.close()

    async def ping(self) -> bool:
        """Whether the database answers now."""
        try:
            await self._line.ask(b"SELECT 1", [], seconds=self._seconds)
        except DatabaseUnavailable:
            return False
        return True

    def known(self, digest: bytes, now: float) -> Grant | None:
        """The grant of this SHA-256, if what is known is fresh now, on the monotonic clock."""
        grant = self._grants.get(digest)
        if grant is None or now - grant.checked_at > DEAD_SECONDS:
            return None
        if self._clock.at_ms(now) >= grant.turns_ms:
            return None
        grant.used_at = now
        return grant

    async def find(self, digest: bytes) -> Grant | None:
        """The grant of this SHA-256, or None. Raises RecordingUnavailable if nobody can say."""
        found = self.known(digest, time.monotonic())
        if found is not None:
            return found
        unknown_until = self._unknown.get(digest)
        if unknown_until is not None and time.monotonic() < unknown_until:
            return None
        waiting = self._asked.get(digest) or self._strangers.get(digest)
        if waiting is None:
            waiting = self._ask(digest)
        return await asyncio.shield(waiting)  # others may wait for the same answer

    def forget(self, note: bytes) -> None:
        """A notification: what is known of a digest, a key or a scope may be wrong now."""
        kind, _, value = note.decode(errors="replace").partition(":")
        if kind == "digest":
            with suppress(ValueError):
                digest = bytes.fromhex(value)
                self._unknown.pop(digest, None)
                if (grant := self._grants.get(digest)) is not None:
                    _outdate([grant])
        elif kind == "key":
            _outdate(grant for grant in self._grants.values() if grant.key_id == value)
        elif kind == "scope":
            _outdate(
                grant
                for grant in self._grants.values()
                if value in {grant.quota.scope_id, grant.owner_id}
            )

    def learn_total(self, scope_id: str, starts: str, total: int, asked_at: float) -> None:
        """A period's units as the database has them, asked for at this monotonic moment."""
        quota = self._quotas.get((scope_id, starts))
        if quota is not None:
            quota.learn(total, asked_at)

    def _ask(self, digest: bytes) -> "asyncio.Future[Grant | None]":
        asked = self._asked if digest in self._grants else self._strangers
        if not self._tasks or (asked is self._strangers and len(asked) >= _MOST_STRANGERS):
            raise RecordingUnavailable
        waiting: asyncio.Future[Grant | None] = asyncio.get_running_loop().create_future()
        asked[digest] = waiting
        self._wake.set()
        return waiting

    async def _look_up_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asked or self._strangers:
                strangers = islice(self._strangers, _MOST_STRANGERS_ASKED)
                await self._look_up([*islice(self._asked, _MOST_ASKED), *strangers])

    async def _look_up(self, digests: list[bytes]) -> None:
        try:
            grants = await self._query_until_done(digests)
        except DatabaseUnavailable as error:
            logger.warning("keys could not be looked up: %s", error)
            for digest in digests:
                _fail(self._answer_to(digest))
            return
        now = time.monotonic()
        for digest in digests:
            grant = grants.get(digest)
            if grant is not None and grant.checked_at == 0.0:
                continue  # changed while the query ran: ask again
            self._keep(digest, grant, now)
            waiting = self._answer_to(digest)
            if not waiting.done():
                waiting.set_result(grant)

    def _answer_to(self, digest: bytes) -> "asyncio.Future[Grant | None]":
        """Who waits for this digest's look-up, now that it is done."""
        return self._asked.pop(digest, None) or self._strangers.pop(digest)

    def _keep(self, digest: bytes, grant: Grant | None, now: float) -> None:
        self._grants.pop(digest, None)
        if grant is None:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[digest] = now + _UNKNOWN_SECONDS
            return
        if len(self._grants) >= self._most:
            self._make_room(now)
        self._grants[digest] = grant  # at the end: the first is what was asked for longest ago
        self._in_use[digest] = grant
        grant.used_at = now

    def _make_room(self, now: float) -> None:
        """Drop a hundredth: those that were asked for longest ago and are not in use."""
        dropped = []
        for digest, grant in self._grants.items():
            if now - grant.used_at > _IN_USE_SECONDS and grant.in_work == 0:
                dropped.append(digest)
                if len(dropped) > self._most // 100:
                    break
        for digest in dropped:
            del self._grants[digest]

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._recheck()
            except DatabaseUnavailable as error:
                logger.warning("keys in use could not be checked: %s", error)

    async def _recheck(self) -> None:
        """See whether what keys in use may do has changed; learn anew what has.

        And a part of the others, so that within some seconds all totals are the database's.
        """
        now = time.monotonic()
        in_use = []
        for digest, grant in list(self._in_use.items()):
            if now - grant.used_at > _IN_USE_SECONDS:
                del self._in_use[digest]
            else:
                in_use.append((digest, grant))
        changed = [digest for digest, one in in_use if now - one.learned_at > _LEARN_SECONDS]
        del changed[_MOST_LEARNED:]
        for first in range(0, len(in_use), _MOST_ASKED):
            changed += await self._changed(in_use[first : first + _MOST_ASKED])
        for first in range(0, len(changed), _MOST_ASKED):
            part = changed[first : first + _MOST_ASKED]
            grants = await self._query(part, seconds=self._seconds)
            for digest in part:
                if digest not in grants:
                    self._in_use.pop(digest, None)
                    self._grants.pop(digest, None)

    async def _changed(self, asked: list[tuple[bytes, Grant]]) -> list[bytes]:
        """Those of which the database has other rows by now; all others are fresh again."""
        asked_at = time.monotonic()
        versions = [f'"{text(grant.version)}"' for _, grant in asked]
        params = [array([digest.hex() for digest, _ in asked]), array(versions)]
        result = await self._line.ask(CHANGED.encode(), params, seconds=self._seconds)
        rows = range(result.ntuples)
        changed = {bytes.fromhex(text(result.get_value(row, 0))) for row in rows}
        for digest, grant in asked:
            if digest not in changed and asked_at >= grant.stale_at:
                grant.checked_at = asked_at
        return list(changed)

    async def _query_until_done(self, digests: list[bytes]) -> dict[bytes, Grant]:
        """As `_query`, and again when the connection was lost, within the time."""
        deadline = time.monotonic() + self._seconds
        pauses = iter(_PAUSES)
        while True:
            try:
                return await self._query(digests, seconds=deadline - time.monotonic())
            except DatabaseUnavailable:
                pause = next(pauses, _PAUSES[-1])
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    async def _query(self, digests: list[bytes], *, seconds: float) -> dict[bytes, Grant]:
        """The grants of these digests as the database has them; the known ones brought up to it."""
        asked_at = time.monotonic()
        hexes = array([digest.hex() for digest in digests])
        result = await self._line.ask(FIND.encode(), [hexes], seconds=seconds)
        received = time.monotonic()
        rows = _rows(result)
        if rows:
            self._clock.observe(int(rows[0][14] or 0), asked_at, received)
        grants = {}
        for row in rows:
            digest = bytes.fromhex(text(row[0]))
            grants[digest] = self._learn(digest, row, asked_at)
        return grants

    def _learn(self, digest: bytes, row: Row, asked_at: float) -> Grant:
        grant = self._grants.get(digest)
        seen = hash((*row[1:13], row[16]))
        if grant is not None and grant.seen == seen:  # as nearly always: nothing has changed
            grant.version, grant.learned_at = row[15] or b"", asked_at
            grant.quota.learn(int(row[13] or 0), asked_at)
            if asked_at >= grant.stale_at:
                grant.checked_at = asked_at
            return grant
        is_trial = row[2] == b"t"
        if grant is None or grant.key_id != text(row[1]) or grant.is_trial != is_trial:
            grant = Grant()  # calls that are in work keep the one that they came with
        quota = self._quota_of(row)
        quota.learn(int(row[13] or 0), asked_at)
        grant.seen, grant.version, grant.learned_at = seen, row[15] or b"", asked_at
        grant.fill(row, quota, self._terms_of(text(row[3]), is_trial=is_trial))
        if asked_at >= grant.stale_at:
            grant.checked_at = asked_at
        if digest in self._grants and self._grants[digest] is not grant:
            self._grants[digest] = self._in_use[digest] = grant
            grant.used_at = asked_at
        return grant

    def _quota_of(self, row: Row) -> Quota:
        scope_id, starts = text(row[5]), sys.intern(text(row[6]))
        quota = self._quotas.get((scope_id, starts))
        if quota is None:
            elements = (element(scope_id), sys.intern(element(starts)))
            quota = Quota(scope_id, starts, int(row[7] or 0), elements)
            self._quotas[scope_id, starts] = quota
        return quota

    def _terms_of(self, tier: str, *, is_trial: bool) -> Terms:
        terms = self._terms.get((tier, is_trial))
        if terms is None:
            terms = make_terms(self._plans, tier, is_trial=is_trial)
            self._terms[tier, is_trial] = terms
        return terms


def _rows(result: Result) -> list[Row]:
    get = result.get_value
    return [[get(row, column) for column in range(_COLUMNS)] for row in range(result.ntuples)]


def _outdate(grants: Iterable[Grant]) -> None:
    now = time.monotonic()
    for grant in grants:
        grant.checked_at = 0.0
        grant.stale_at = now


def _fail(waiting: "asyncio.Future[Grant | None]") -> None:
    if not waiting.done():
        waiting.set_exception(RecordingUnavailable())
        waiting.exception()  # taken note of, should nobody be waiting any more
