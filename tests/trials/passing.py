"""Time that passes for trials: their rows are moved into the past of the database's clock."""

from datetime import timedelta

from sqlalchemy import text

from tests.conftest import UnitOfWork

_MOMENTS = {
    'public."TrialWorkspace"': ("createdAt", "expiresAt", "convertedAt", "cancelledAt"),
    'public."TrialApiKey"': ("createdAt", "revokedAt"),
    'latchkey."TrialExtension"': ("createdAt", "endedAt", "endsAt"),
    'latchkey."TrialNotice"': ("createdAt", "endsAt"),
    'latchkey."TrialDetail"': ("wishedAt",),
    'latchkey."TrialClaim"': ("takenAt",),
}


async def pass_time(unit_of_work: UnitOfWork, time: timedelta) -> None:
    """Let all that is known of trials be so much older."""
    async with unit_of_work() as session:
        for table, columns in _MOMENTS.items():
            moved = ", ".join(
                f'"{column}" = "{column}" - CAST(:time AS interval)' for column in columns
            )
            statement = text(f"UPDATE {table} SET {moved}")
            await session.exec(statement, params={"time": time})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
