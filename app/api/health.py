"""Whether this process lives, and whether it can serve."""

import logging
from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse

from app.core.database import unit_of_work

router = APIRouter(include_in_schema=False)
logger = logging.getLogger(__name__)


@router.get("/healthz")
async def alive() -> Mapping[str, str]:
    """Answers whenever the process does."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready() -> JSONResponse:
    """200 when the database answers and has our migrations, else 503 with the reason."""
    try:
        async with unit_of_work() as session:
            await session.connection()
            await session.exec(text("SELECT version_num FROM latchkey.alembic_version"))  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    except Exception:  # whatever the reason, the answer is: not ready
        logger.exception("Not ready")
        return JSONResponse({"status": "not ready", "database": "unavailable"}, 503)
    return JSONResponse({"status": "ready", "database": "ok"})
