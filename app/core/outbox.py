"""Work that must happen if, and only if, the caller's transaction commits."""

import json
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

_DEFER = text("SELECT latchkey.defer_job(:task, CAST(:args AS jsonb))")


async def defer(session: AsyncSession, task: str, **args: Any) -> None:
    """Queue `task` (a name that `app.jobs` knows) inside the caller's transaction.

    Arguments are stored in the clear: ids only, never a token or a key.
    """
    await session.exec(_DEFER, params={"task": task, "args": json.dumps(args)})  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
