"""`/dev/mail`: the mail of a machine without a mail server. Never on a public one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.pages import render_page
from app.api.this_machine import is_from_here
from app.core.errors import NotFound
from app.core.settings import Settings, get_settings
from app.integrations.mail import list_stored

router = APIRouter(include_in_schema=False)


def require_this_machine(
    request: Request, settings: Annotated[Settings, Depends(get_settings)]
) -> Settings:
    """Refuse (404) unless everything says that only this machine's user can be asking."""
    if settings.smtp_url or not is_from_here(request, settings):
        raise NotFound
    return settings


@router.get("/dev/mail")
async def dev_mail(settings: Annotated[Settings, Depends(require_this_machine)]) -> Response:
    """The stored mails, newest first, each with its link."""
    return render_page("dev_mail.html", mails=list_stored(settings.var_dir / "mail"))
