"""Signing in by a provider, as tests see it."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from sqlmodel import select

from app.models import Account, Session, User
from tests.issuer.real import consent


async def begin(browser: httpx.AsyncClient, name: str = "oidc", **query: str) -> httpx.URL:
    """Start in this browser; where it is sent."""
    answer = await browser.get(f"/auth/oauth/{name}", params=query)
    assert answer.status_code == 302, answer.text
    return httpx.URL(answer.headers["location"])


async def come_back(browser: httpx.AsyncClient, *, who: str, **query: str) -> str:
    """Start in this browser and pass the provider; the callback's path, not yet followed."""
    return await consent(str(await begin(browser, **query)), who=who)


async def sign_in_by(browser: httpx.AsyncClient, *, who: str, **query: str) -> httpx.Response:
    """The whole way; the callback's answer."""
    return await browser.get(await come_back(browser, who=who, **query))


def query_of(url: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(url)).query))


async def rows(unit_of_work: Any, model: Any) -> list[Any]:
    async with unit_of_work() as session:
        return list((await session.exec(select(model))).all())


async def users(unit_of_work: Any) -> dict[str, bool]:
    """Each user's address, and whether it is verified."""
    return {user.email: user.email_verified is not None for user in await rows(unit_of_work, User)}


async def identities(unit_of_work: Any) -> dict[str, str]:
    """Each identity's subject, and whose it is."""
    async with unit_of_work() as session:
        statement = select(Account.provider_account_id, User.email).join(
            User, User.id == Account.user_id
        )
        return dict((await session.exec(statement)).all())


async def signed_in(unit_of_work: Any) -> list[str]:
    """The addresses of those who have a session."""
    async with unit_of_work() as session:
        statement = select(User.email).join(Session, Session.user_id == User.id)
        return sorted((await session.exec(statement)).all())
