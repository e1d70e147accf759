"""`/dev/mail`: the mail of a machine without a mail server. Never on a public one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.client import asked_name
from app.api.pages import render_page
from app.core.errors import NotFound
from app.core.settings import LOOPBACK_NAMES, Settings, get_settings
from app.integrations.mail import list_stored

FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
)

router = APIRouter(include_in_schema=False)


def require_this_machine(
    request: Request, settings: Annotated[Settings, Depends(get_settings)]
) -> Settings:
    """Refuse (404) unless everything says that only this machine's user can be asking.

    A request that came through a proxy or a tunnel came from elsewhere, whatever it asks for.
    """
    caller = request.client.host if request.client else ""
    is_here = {asked_name(request), caller} <= LOOPBACK_NAMES
    is_forwarded = any(name in request.headers for name in FORWARDED)
    if settings.smtp_url or not settings.is_local or not is_here or is_forwarded:
        raise NotFound
    return settings


@router.get("/dev/mail")
async def dev_mail(settings: Annotated[Settings, Depends(require_this_machine)]) -> Response:
    """The stored mails, newest first, each with its link."""
    return render_page("dev_mail.html", mails=list_stored(settings.var_dir / "mail"))
