"""Usage over time, from the counters: as quick with ten million calls as with none."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

_BY_DAY = text("""
    SELECT day::date, coalesce(sum(calls), 0)::bigint, coalesce(sum(units), 0)::bigint,
        coalesce(sum(calls) FILTER (WHERE "statusClass" >= 4), 0)::bigint
    FROM generate_series(date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => :days),
        date_trunc('day', now() AT TIME ZONE 'UTC'), interval '1 day') AS day
    LEFT JOIN latchkey."UsageHour" ON "keyId" = :key_id AND hour >= day
        AND hour < day + interval '1 day'
    GROUP BY day ORDER BY day
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
