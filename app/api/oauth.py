"""Signing in by a provider, and connecting one to an account, as plain HTTP routes."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from app.accounts.addresses import safe_next
from app.accounts.oauth_states import AttemptInvalid, read_now
from app.accounts.sessions import find_session
from app.api.cookies import clear_oauth_cookie, session_digest
from app.api.oauth_attempt import begin, find_returning, keep
from app.api.oauth_finish import failed_page, finish
from app.api.pages import render_page
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError, NotFound
from app.core.pages import PRIVATE_HEADERS
from app.core.settings import Settings, get_settings
from app.integrations.oauth import Provider, get_providers

SETTINGS = "/settings/"
SIGN_IN = "/sign-in/"

router = APIRouter(prefix="/auth/oauth", include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]


async def configured(settings: Config) -> Mapping[str, Provider]:
    """The providers that there are."""
    return get_providers(settings)


Providers = Annotated[Mapping[str, Provider], Depends(configured)]


@router.get("/{name}")
async def start(
    request: Request,
    settings: Config,
    providers: Providers,
    name: str,
    next: str = "",  # noqa: A002  # the contract's name
) -> Response:
    """Send the browser to the provider, to come back signed in."""
    provider = _get_provider(providers, name)
    async with unit_of_work() as session:
        now = await read_now(session)
    attempt = begin(name, next_path=safe_next(next), session_hash=None, began_at=now)
    try:
        url = await provider.authorization_url(attempt.secrets)
    except LatchkeyError as error:
        return failed_page(request, error, attempt)
    going = RedirectResponse(url, 302, headers=PRIVATE_HEADERS)
    keep(going, attempt, settings)
    return going


@router.post("/{name}/connect")
async def start_connecting(
    request: Request, settings: Config, providers: Providers, name: str
) -> Response:
    """Send a signed-in browser to the provider, to come back with what is to be connected."""
    provider = _get_provider(providers, name)
    session_hash = session_digest(request, settings)
    async with unit_of_work() as session:
        now, user = await read_now(session), await find_session(session, session_hash)
    if user is None:
        return RedirectResponse(f"{SIGN_IN}?next={SETTINGS}", 303, headers=PRIVATE_HEADERS)
    attempt = begin(name, next_path=SETTINGS, session_hash=session_hash, began_at=now)
    try:
        url = await provider.authorization_url(attempt.secrets)
    except LatchkeyError as error:
        return failed_page(request, error, attempt)
    # a page, no redirect: `form-action` would stop one that leads from a form to another site
    page = render_page("going_on.html", url=url, label=provider.label)
    keep(page, attempt, settings)
    return page


@router.get("/{name}/callback")
async def callback(request: Request, settings: Config, providers: Providers, name: str) -> Response:
    """Finish what this browser began: sign in, or connect. Works once."""
    provider = _get_provider(providers, name)
    attempt = find_returning(request, settings, provider=name)
    if attempt is None:
        # the attempt that the browser may remember goes on: this is not its answer
        return failed_page(request, AttemptInvalid(), None)
    try:
        page = await finish(request, settings, provider, attempt)
    except LatchkeyError as error:
        page = failed_page(request, error, attempt)
    clear_oauth_cookie(page, settings)
    return page


def _get_provider(providers: Mapping[str, Provider], name: str) -> Provider:
    if name not in providers:
        raise NotFound("There is no such way to sign in here. Choose one on the sign-in page.")
    return providers[name]
