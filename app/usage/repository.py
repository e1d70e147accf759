"""Writing one call down, as the document's other programs do. The hot path has its recorder."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.ids import new_call_id
from app.models import ApiCall


async def track_call(
    session: AsyncSession,
    api_key_id: str,
    *,
    endpoint: str,
    method: str,
    status_code: int,
    latency_ms: int,
    **more: Any,
) -> str:
    """Record a call of a live key; returns its id. One statement.

    `endpoint` is the route's template. `more` is any other attribute of `ApiCall`: `id`,
    `request_body`, `response_body`, `units`, `owner_id`. The key must exist.
    """
    call_id = str(more.pop("id", None) or new_call_id())
    await session.exec(
        insert(ApiCall).values(
            id=call_id,
            api_key_id=api_key_id,
            endpoint=endpoint,
            method=method,
            status_code=status_code,
            latency_ms=latency_ms,
            **more,
        )
    )
    return call_id
