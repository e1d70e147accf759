"""Usage over time, from the counters: as quick with ten million calls as with none."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

# One look at the key's hours, not one for each day.
_BY_DAY = text("""
    WITH time AS (
        SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AS today
    ), used AS (
        SELECT date_trunc('day', hour) AS day, sum(calls) AS calls, sum(units) AS units,
            sum(calls) FILTER (WHERE "statusClass" >= 4) AS failed
        FROM latchkey."UsageHour"
        WHERE "keyId" = :key_id AND hour >= (SELECT today FROM time) - make_interval(days => :days)
        GROUP BY 1
    )
    SELECT day::date, coalesce(calls, 0)::bigint, coalesce(units, 0)::bigint,
        coalesce(failed, 0)::bigint
    FROM time, generate_series(today - make_interval(days => :days), today, interval '1 day') AS day
    LEFT JOIN used USING (day)
    ORDER BY day
""")


@dataclass(frozen=True, slots=True)
class DayUsage:
    """One day (UTC) of a key: its calls, what they cost, and how many failed (4xx and 5xx)."""

    day: date
    calls: int
    units: int
    failed: int


async def usage_by_day(session: AsyncSession, key_id: str, *, days: int = 30) -> list[DayUsage]:
    """Today and so many days before it, oldest first; days without calls too."""
    await session.exec(text("SELECT latchkey.fold_usage()"))  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    rows = await session.exec(_BY_DAY, params={"days": days, "key_id": key_id})  # type: ignore[call-overload]  # as above
    return [DayUsage(*row) for row in rows]
