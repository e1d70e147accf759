"""Whether this process lives, and whether it can serve."""

import asyncio
import logging
from collections.abc import Mapping
from functools import lru_cache

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse

from app.core import migrations
from app.core.database import unit_of_work

READY_SECONDS = 3.0
"""How long the database may take to answer; whoever asks often gives up soon after."""


class SchemaOutdated(Exception):
    """The database lacks migrations of this release."""


router = APIRouter(include_in_schema=False)
logger = logging.getLogger(__name__)


@router.get("/healthz")
async def alive() -> Mapping[str, str]:
    """Answers whenever the process does."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready() -> JSONResponse:
    """200 when the database answers and has all our migrations, else 503."""
    look = asyncio.create_task(_look())
    # only waited for: a connection that has fallen silent does not even let itself be cancelled
    done, _ = await asyncio.wait({look}, timeout=READY_SECONDS)
    fault = look.exception() if done else TimeoutError(f"no answer within {READY_SECONDS:g} s")
    if fault is None:
        return JSONResponse({"status": "ready", "database": "ok"})
    look.cancel()
    logger.warning("Not ready: %r", fault)
    return JSONResponse({"status": "not ready", "database": "unavailable"}, 503)


async def _look() -> None:
    async with unit_of_work() as session:
        found = await session.exec(text("SELECT version_num FROM latchkey.alembic_version"))  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    if found.scalar_one_or_none() in _older_revisions():
        raise SchemaOutdated("the database has an older schema; run: python -m app migrate")


@lru_cache(maxsize=1)
def _older_revisions() -> frozenset[str | None]:
    # one that we do not know is a newer release's, made while we still run: it suits us too
    return frozenset([None, *migrations.revisions()[:-1]])
