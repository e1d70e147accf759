"""Work that must happen if, and only if, the caller's transaction commits."""

import json
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

_DEFER = text("SELECT latchkey.defer_job(:task, CAST(:args AS jsonb), lock => :lock)")


async def defer(session: AsyncSession, task: str, *, lock: str | None = None, **args: Any) -> None:
    """Queue `task` (a name that `app.jobs` knows) inside the caller's transaction.

    Arguments are stored in the clear: ids only, never a token or a key. Jobs of the same `lock`
    run one after the other, and those that wait keep no worker.
    """
    await session.exec(_DEFER, params={"task": task, "args": json.dumps(args), "lock": lock})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
