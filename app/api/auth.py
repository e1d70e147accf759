"""Signing in and out by mailed link, as plain HTTP routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from app.accounts import limits, links
from app.accounts.addresses import parse_address, safe_next
from app.accounts.profile import LONGEST_NAME, clean_name
from app.accounts.service import confirm_link
from app.accounts.sessions import end_all_sessions, end_session, find_session
from app.api.client import client_address, client_network
from app.api.cookies import (
    clear_session_cookie,
    ensure_browser_token,
    get_browser_token,
    session_cookie_name,
    set_session_cookie,
)
from app.api.errors import wants_page
from app.api.pages import render_page
from app.core.crypto import sha256_hex
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.core.pages import PRIVATE_HEADERS
from app.core.settings import Settings, get_settings
from app.integrations.oauth import list_offers
from app.trials.mailboxes import fold_address

router = APIRouter(prefix="/auth", include_in_schema=False)
Config = Annotated[Settings, Depends(get_settings)]
Field = Annotated[str, Form(max_length=LONGEST_NAME)]
Token = Annotated[str, Query(max_length=LONGEST_NAME)]


@router.post("/email")
async def ask_for_link(
    request: Request,
    settings: Config,
    email: Field,
    name: Field = "",
    company: Field = "",
    next: Annotated[str, Form()] = "",  # noqa: A002  # the contract's field name
) -> Response:
    """Queue a sign-in link; answer and limits are the same whether the address is known."""
    try:
        address = parse_address(email)
    except InvalidRequest as error:
        if not wants_page(request):
            raise
        return _ask_again(email, next, error, settings)
    wish = links.LinkRequest(
        email=address,
        name=clean_name(name),
        company=clean_name(company),
        next=safe_next(next),
    )
    network = client_network(request, settings)
    async with unit_of_work() as session:
        await limits.take_link(session, fold_address(address), network=network)
    page = render_page(
        "check_inbox.html",
        email=wish.email,
        resend_after_seconds=limits.RESEND_AFTER_SECONDS,
        dev_mail_url="/dev/mail" if settings.is_local and not settings.smtp_url else None,
        next=wish.next,
    )
    browser = ensure_browser_token(request, page, settings)
    async with unit_of_work() as session:
        await links.request_link(session, wish, browser=browser)
    return page


@router.get("/email/confirm")
async def show_confirm(request: Request, settings: Config, token: Token = "") -> Response:
    """A page with one button: mail scanners open links, people press buttons."""
    async with _counting_bad_links(request, settings), unit_of_work() as session:
        link = await links.find_link(session, token)
        if link is None:
            raise links.LinkInvalid
        email, is_same = (
            link.email,
            links.is_asking_browser(link, get_browser_token(request, settings)),
        )
    return _confirm_page(token, email, is_same=is_same)


@router.post("/email/confirm")
async def confirm(
    request: Request,
    settings: Config,
    token: Token = "",
    other_browser: Annotated[str, Form(max_length=1)] = "",
) -> Response:
    """Sign in, once per link, and go on to where the person wanted to be."""
    previous = request.cookies.get(session_cookie_name(settings))
    try:
        async with _counting_bad_links(request, settings), unit_of_work() as session:
            session_token, next_path = await confirm_link(
                session,
                token,
                browser=get_browser_token(request, settings),
                knowingly=other_browser == "1",
                user_agent=request.headers.get("user-agent"),
                ip_address=client_address(request, settings),
                session_hash=sha256_hex(previous) if previous else None,
            )
            if previous:
                await end_session(session, sha256_hex(previous))
    except links.OtherBrowser:
        return await show_confirm(request, settings, token)
    answer = RedirectResponse(safe_next(next_path), 303, headers=PRIVATE_HEADERS)
    set_session_cookie(answer, session_token, settings)
    return answer


@router.post("/sign-out")
async def sign_out(
    request: Request,
    settings: Config,
    everywhere: Annotated[str, Form(max_length=1)] = "",
) -> Response:
    """End this browser's session; with `everywhere`, all sessions of its person."""
    token = request.cookies.get(session_cookie_name(settings))
    if token:
        async with unit_of_work() as session:
            await _end(session, sha256_hex(token), everywhere=everywhere == "1")
    answer = RedirectResponse("/", 303, headers=PRIVATE_HEADERS)
    clear_session_cookie(answer, settings)
    return answer


async def _end(session: AsyncSession, token_hash: str, *, everywhere: bool) -> None:
    caller = await find_session(session, token_hash) if everywhere else None
    if caller is None:
        await end_session(session, token_hash)
    else:
        await end_all_sessions(session, caller.user_id)


@asynccontextmanager
async def _counting_bad_links(request: Request, settings: Settings) -> AsyncIterator[None]:
    """A link is looked for here only while this network has not tried too many that are none."""
    network = client_network(request, settings)
    async with unit_of_work() as session:
        await limits.check_bad_links(session, network=network)
    try:
        yield
    except links.LinkInvalid:
        async with unit_of_work() as session:
            await limits.take_bad_link(session, network=network)
        raise


def _ask_again(email: str, next_path: str, error: InvalidRequest, settings: Settings) -> Response:
    """The form as it was sent, with what is wrong beside its field."""
    return render_page(
        "sign_in.html",
        status=422,
        email=email,
        error=error.detail,
        next=safe_next(next_path),
        offers=list_offers(settings),
    )


def _confirm_page(token: str, email: str, *, is_same: bool) -> Response:
    template = "confirm.html" if is_same else "confirm_other_browser.html"
    action = f"/auth/email/confirm?token={quote(token, safe='')}"
    return render_page(template, status=200, action_url=action, email=email)
