"""Proof that the counters equal the log, in short steps, while calls are being recorded.

`UsageHour` is compared with the calls slice by slice, each as long as takes about a second.
`UsagePeriod` is then compared with the hours, and with the calls where they differ, or where
the hours themselves are wrong. Repairing does the same and writes what differs.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app.core.database import unit_of_work
from app.core.errors import NotFound
from app.usage.differences import (
    MOST_SHOWN,
    Difference,
    Found,
    ask,
    find_in_hours,
    find_in_periods,
    list_suspects,
    naive,
)

FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 1, 1, tzinfo=UTC)
_SCOPES_AT_ONCE = 500
_JUDGED_AT_ONCE = 20
_SHORT_SECONDS, _LONG_SECONDS = 0.3, 1.0
_WIDEST_HOURS = 30 * 24

_FOLD = text("SELECT latchkey.fold_usage(false)")
_BEGINS = text("""SELECT least(latchkey.log_begins('public."ApiCall"'),
    latchkey.log_begins('latchkey."TrialApiCall"'))""")
_NEXT = text("SELECT latchkey.next_usage_hour(CAST(:since AS timestamp))")
_COUNTED = text("""SELECT coalesce(sum(calls), 0)::bigint FROM latchkey."UsageHour"
    WHERE hour >= CAST(:since AS timestamp) AND hour < CAST(:until AS timestamp)
    AND (CAST(:key_id AS text) IS NULL OR "keyId" = :key_id)""")
_ACCOUNTS = text('SELECT id FROM public."User" WHERE id > :after ORDER BY id LIMIT :most')
_TRIALS = text('SELECT id FROM public."TrialWorkspace" WHERE id > :after ORDER BY id LIMIT :most')
_OWNERS = text("""SELECT "userId" FROM public."ApiKeyMetadata" WHERE id = :key_id
    UNION ALL SELECT "workspaceId" FROM public."TrialApiKey" WHERE id = :key_id""")


@dataclass(frozen=True, slots=True)
class Range:
    """What to compare: hours that touch this time, and periods that do; of one key or all."""

    since: datetime = FIRST
    until: datetime = LAST
    key_id: str | None = None


@dataclass
class Report:
    """What was found. `calls`: how many the compared hours count.

    `reached`: where the time was up, before the end; the periods are then still to come.
    """

    begins: datetime
    calls: int = 0
    total: int = 0
    first: list[Difference] = field(default_factory=list)
    reached: datetime | None = None

    def add(self, found: Found) -> None:
        """Take these in as well."""
        self.total += found.total
        self.first += found.first[: MOST_SHOWN - len(self.first)]


OnProgress = Callable[[int, int], None]
"""Told after each step: calls compared, and how many there are."""


def _in_silence(done: int, total: int) -> None:
    """Tells nobody."""


async def verify(
    wanted: Range,
    *,
    repair: bool = False,
    on_progress: OnProgress = _in_silence,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Compare the counters with the log, and with `repair` write those that differ.

    Only what the log still holds: hours from its begin on, and periods that begin there or
    later. Raises NotFound for a key that is not there.
    """
    ends_at = None if budget_seconds is None else clock() + budget_seconds
    scopes = [] if wanted.key_id is None else await _owners(wanted.key_id)
    async with unit_of_work() as session:
        await ask(session, _FOLD)
        begins = _aware((await ask(session, _BEGINS))[0][0])
    report = Report(begins)
    since = max(wanted.since, begins).replace(minute=0, second=0, microsecond=0)
    total = await _counted(since, wanted.until, wanted.key_id)
    async for start, end in _slices(since, wanted.until, clock):
        if ends_at is not None and clock() >= ends_at:
            report.reached = start
            return report
        async with unit_of_work() as session:
            report.add(await find_in_hours(session, start, end, wanted.key_id, repair=repair))
        report.calls += await _counted(start, end, wanted.key_id)
        on_progress(report.calls, max(total, report.calls))
    are_hours_right = repair or report.total == 0
    async for some in _scopes(scopes):
        for found in await _in_periods(some, wanted, repair=repair, quickly=are_hours_right):
            report.add(found)
    return report


async def _in_periods(
    scopes: Sequence[str], wanted: Range, *, repair: bool, quickly: bool
) -> list[Found]:
    """What differs of these; `quickly`: the hours are right, so they find who is suspect."""
    if quickly:
        async with unit_of_work() as session:
            scopes = await list_suspects(session, scopes, wanted.since, wanted.until)
    found = []
    for place in range(0, len(scopes), _JUDGED_AT_ONCE):
        judged = scopes[place : place + _JUDGED_AT_ONCE]
        async with unit_of_work() as session:
            found.append(
                await find_in_periods(session, judged, wanted.since, wanted.until, repair=repair)
            )
    return found


async def _slices(
    since: datetime, until: datetime, clock: Callable[[], float]
) -> AsyncIterator[tuple[datetime, datetime]]:
    """Ranges of whole hours that hold calls or counters, each about a second's work."""
    hours = 1
    while True:
        async with unit_of_work() as session:
            found = (await ask(session, _NEXT, since=naive(since)))[0][0]
        if found is None or _aware(found) >= until:
            return
        start = _aware(found)
        since = start + timedelta(hours=hours)
        began = clock()
        yield start, min(since, _whole_hour_after(until))
        seconds = clock() - began
        if seconds < _SHORT_SECONDS:
            hours = min(2 * hours, _WIDEST_HOURS)
        elif seconds > _LONG_SECONDS:
            hours = max(1, hours // 2)


async def _scopes(only: Sequence[str]) -> AsyncIterator[Sequence[str]]:
    """The ids of all accounts and trials, some at a time; or just those that are given."""
    if only:
        yield only
        return
    for statement in (_ACCOUNTS, _TRIALS):
        after = ""
        while True:
            async with unit_of_work() as session:
                rows = await ask(session, statement, after=after, most=_SCOPES_AT_ONCE)
            if not rows:
                break
            after = rows[-1][0]
            yield [row[0] for row in rows]


async def _owners(key_id: str) -> list[str]:
    async with unit_of_work() as session:
        rows = await ask(session, _OWNERS, key_id=key_id)
    if not rows:
        raise NotFound("There is no key with this id. Look for it in the portal, under Keys.")
    return [row[0] for row in rows]


async def _counted(since: datetime, until: datetime, key_id: str | None) -> int:
    params = {"since": naive(since), "until": naive(until), "key_id": key_id}
    async with unit_of_work() as session:
        return int((await ask(session, _COUNTED, **params))[0][0])


def _whole_hour_after(moment: datetime) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if hour == moment else hour + timedelta(hours=1)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
