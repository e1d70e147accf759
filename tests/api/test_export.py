"""Leaving: the download of one's data, for its owner alone, and signing in to what is deleted."""

import io
import zipfile
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select, update

from app.core.clock import DB_NOW
from app.flows.erasure import begin_erasure
from app.models import Session, SessionDetail
from tests.api.browser import sign_in
from tests.factories import make_key, make_session, make_user

EXPORT = "/export/account.zip"


@pytest.fixture
async def cookie(unit_of_work: Any) -> str:
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com")
        await make_key(session, user, label="the key of Ada")
        await make_key(session, await make_user(session), label="the key of another")
        return (await make_session(session, user))[1]


async def test_owner_gets_a_zip_of_their_own(visitor: httpx.AsyncClient, cookie: str) -> None:
    visitor.cookies.set("latchkey_session", cookie)
    answer = await visitor.get(EXPORT)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["cache-control"] == "no-store"
    assert 'attachment; filename="latchkey-account-' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        keys = archive.read("keys.json").decode()
    assert "the key of Ada" in keys
    assert "the key of another" not in keys


async def test_stranger_is_sent_to_sign_in(visitor: httpx.AsyncClient, cookie: str) -> None:
    for value in ("", "x" * 43):
        visitor.cookies.set("latchkey_session", value)
        answer = await visitor.get(EXPORT)
        assert answer.status_code == 401
        assert "/sign-in/?next=/settings/" in answer.text
    program = await visitor.get(EXPORT, headers={"accept": "application/json"})
    assert program.json()["code"] == "sign_in_needed"


async def test_session_of_a_while_ago_wants_a_fresh_sign_in(
    visitor: httpx.AsyncClient, cookie: str, unit_of_work: Any
) -> None:
    visitor.cookies.set("latchkey_session", cookie)
    for minutes, status in ((14, 200), (15, 403)):
        async with unit_of_work() as session:
            aged = DB_NOW - timedelta(minutes=minutes)
            await session.exec(update(SessionDetail).values(created_at=aged))
        answer = await visitor.get(EXPORT)
        assert answer.status_code == status
    assert "Sign in again first" in answer.text
    assert "/sign-in/?next=/settings/" in answer.text


async def test_account_that_is_being_deleted_lets_nobody_in_and_says_why(
    visitor: httpx.AsyncClient, cookie: str, unit_of_work: Any
) -> None:
    async with unit_of_work() as session:
        row = (await session.exec(select(Session))).one()
        await begin_erasure(session, row.user_id, row.id, confirm="ada@example.com")
    visitor.cookies.set("latchkey_session", cookie)
    assert (await visitor.get(EXPORT)).status_code == 401
    answer = await sign_in(visitor, unit_of_work)
    assert answer.status_code == 409
    assert "This account is being deleted" in answer.text
    async with unit_of_work() as session:
        assert (await session.exec(select(Session))).all() == []
