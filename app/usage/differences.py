"""Where counters and log differ: asked of the database, one range or some accounts at a time.

Each question is one statement and sees one moment, in which what is not folded yet is counted
too: so none is ever in the way of a call, nor misled by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

MOST_SHOWN = 20
"""Differences that are kept of all that there are."""

_HOURS = """
    SELECT key_id, hour, endpoint, status_class, log_calls, log_units, log_latency_ms,
        counted_calls, counted_units, counted_latency_ms, count(*) OVER ()
    FROM latchkey.{function}(CAST(:since AS timestamp), CAST(:until AS timestamp), :key_id)
    ORDER BY hour, key_id, endpoint, status_class LIMIT :most
"""
_COMPARE_HOURS = text(_HOURS.format(function="compare_hours"))
_REPAIR_HOURS = text(_HOURS.format(function="repair_hours"))
_PERIODS = """
    SELECT scope_id, starts_at, counted_calls + add_calls, counted_units + add_units,
        counted_calls, counted_units, count(*) OVER ()
    FROM latchkey.{function}
    ORDER BY scope_id, starts_at LIMIT :most
"""
_COMPARE_PERIODS = text(
    _PERIODS.format(
        function="compare_periods(CAST(:scopes AS text[]), CAST(:since AS timestamp), "
        "CAST(:until AS timestamp), false)"
    )
)
_REPAIR_PERIODS = text(
    _PERIODS.format(
        function="repair_periods(CAST(:scopes AS text[]), CAST(:since AS timestamp), "
        "CAST(:until AS timestamp))"
    )
)
_SUSPECTS = text("""
    SELECT DISTINCT scope_id FROM latchkey.compare_periods(CAST(:scopes AS text[]),
        CAST(:since AS timestamp), CAST(:until AS timestamp), true) ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Figures:
    """Calls, units and, of hours, the sum of latencies in milliseconds."""

    calls: int
    units: int
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter, in words, what it says, and what it should say by the log.

    Of an hour the figures may be equal: then its histogram differs.
    """

    counter: str
    counted: Figures
    right: Figures


@dataclass(frozen=True, slots=True)
class Found:
    """How many counters differ, and the first of them."""

    total: int
    first: Sequence[Difference]


async def find_in_hours(
    session: AsyncSession, since: datetime, until: datetime, key_id: str | None, *, repair: bool
) -> Found:
    """The hours in a range of whole hours that differ, of all keys or of one; set right or not."""
    statement = _REPAIR_HOURS if repair else _COMPARE_HOURS
    asked = {"since": naive(since), "until": naive(until), "key_id": key_id}
    rows = await ask(session, statement, **asked, most=MOST_SHOWN)
    found = [
        Difference(
            f"UsageHour of key {row[0]}, {row[1]:%Y-%m-%d %H}:00, {row[2]} {row[3]}xx",
            counted=Figures(*row[7:10]),
            right=Figures(*row[4:7]),
        )
        for row in rows
    ]
    return Found(rows[0][10] if rows else 0, found)


async def find_in_periods(
    session: AsyncSession, scopes: Sequence[str], since: datetime, until: datetime, *, repair: bool
) -> Found:
    """The periods, within this range, of these accounts and trials that differ; by the log."""
    statement = _REPAIR_PERIODS if repair else _COMPARE_PERIODS
    asked = {"scopes": list(scopes), "since": naive(since), "until": naive(until)}
    rows = await ask(session, statement, **asked, most=MOST_SHOWN)
    found = [
        Difference(
            f"UsagePeriod of {row[0]} from {row[1]:%Y-%m-%d %H:%M:%S}",
            counted=Figures(*row[4:6]),
            right=Figures(*row[2:4]),
        )
        for row in rows
    ]
    return Found(rows[0][6] if rows else 0, found)


async def list_suspects(
    session: AsyncSession, scopes: Sequence[str], since: datetime, until: datetime
) -> Sequence[str]:
    """Those of these accounts and trials whose periods differ from their hours; quick."""
    asked = {"scopes": list(scopes), "since": naive(since), "until": naive(until)}
    return [row[0] for row in await ask(session, _SUSPECTS, **asked)]


async def ask(session: AsyncSession, statement: TextClause, **params: Any) -> Sequence[Any]:
    """The rows of a plain statement."""
    connection = await session.connection()
    return (await connection.execute(statement, params)).all()


def naive(moment: datetime) -> datetime:
    """As the database keeps it: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)
