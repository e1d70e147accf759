"""A browser's side of the mounted routes, without a server between."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlmodel import col, select

from app.accounts import links
from app.api.http import make_http
from app.api.origin import OriginGuard
from app.core.settings import Settings, get_settings
from app.models import SignInLink

OpenBrowser = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
PUBLIC_URL = "http://localhost:8000"


def make_settings(folder: Path, **values: Any) -> Settings:
    """The defaults, but for `values`; what the machine makes lies in `folder`."""
    defaults = {"var_dir": folder, "host": "127.0.0.1", "public_url": PUBLIC_URL}
    return Settings(**{**defaults, **values})


def make_app(settings: Settings) -> FastAPI:
    """The routes of a portal, with these settings."""
    app = make_http(with_portal=True)
    app.dependency_overrides[get_settings] = lambda: settings
    return app


@asynccontextmanager
async def opened(settings: Settings, *, client: str = "127.0.0.1", app: Any = None):
    """A browser with cookies of its own, on a page of ours: it sends Origin and wants HTML."""
    guarded = OriginGuard(app or make_app(settings), settings)
    transport = httpx.ASGITransport(guarded, client=(client, 50000), raise_app_exceptions=False)
    headers = {"Origin": settings.public_url, "Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=transport, base_url=settings.public_url, headers=headers
    ) as browser:
        yield browser


async def ask(browser: httpx.AsyncClient, email: str = "ada@example.com", **fields: str):
    """Ask for a link, as the form does."""
    return await browser.post("/auth/email", data={"email": email, **fields})


async def mail_link(unit_of_work: Any) -> str:
    """The path of the newest request's link, as its mail would bring it."""
    async with unit_of_work() as session:
        newest = select(SignInLink.id).order_by(col(SignInLink.created_at).desc()).limit(1)
        _, token = await links.issue_token(session, (await session.exec(newest)).one())
    return f"/auth/email/confirm?token={token}"


async def sign_in(browser: httpx.AsyncClient, unit_of_work: Any, email: str = "ada@example.com"):
    """The whole way, in one browser; the answer to the button."""
    await ask(browser, email)
    return await browser.post(await mail_link(unit_of_work))
