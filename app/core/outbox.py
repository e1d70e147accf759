"""Work that must happen if, and only if, the caller's transaction commits."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

_DEFER = text("SELECT latchkey.defer_job(:task, CAST(:args AS jsonb), lock => :lock)")

# `after` is where a walk over all accounts is to go on.
_FORGET = text("""
DELETE FROM procrastinate_jobs AS job WHERE status <> 'doing' AND EXISTS (
    SELECT FROM jsonb_each_text(job.args) AS given (name, value)
    WHERE given.name <> 'after' AND given.value = ANY (CAST(:ids AS text[])))
""")


async def defer(session: AsyncSession, task: str, *, lock: str | None = None, **args: Any) -> None:
    """Queue `task` (a name that `app.jobs` knows) inside the caller's transaction.

    Arguments are stored in the clear: ids only, never a token or a key. Jobs of the same `lock`
    run one after the other, and those that wait keep no worker.
    """
    await session.exec(_DEFER, params={"task": task, "args": json.dumps(args), "lock": lock})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only


async def forget(session: AsyncSession, ids: Sequence[str]) -> None:
    """Remove the jobs about any of these ids that wait, or have failed."""
    connection = await session.connection()
    # for this transaction only: the triggers of the table look for others by their bare names
    await connection.execute(text("SET LOCAL search_path = latchkey, public"))
    await connection.execute(_FORGET, {"ids": list(ids)})
