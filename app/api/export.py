"""What a customer takes along, streamed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from app.api.caller import require_recent_caller
from app.core.clock import utc_now
from app.core.pages import PRIVATE_HEADERS
from app.core.settings import Settings, get_settings
from app.flows.account_export import export_account

router = APIRouter(prefix="/export", include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]


@router.get("/account.zip")
async def export_everything(request: Request, settings: Config) -> Response:
    """All that we have of the caller, for one who signed in within the last 15 minutes."""
    caller = await require_recent_caller(request, settings)
    name = f"latchkey-account-{utc_now():%Y-%m-%d}.zip"
    return StreamingResponse(
        await export_account(caller.user_id),
        media_type="application/zip",
        headers={**PRIVATE_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )
