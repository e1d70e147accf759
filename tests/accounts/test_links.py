import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlmodel import func, select, update

from app.accounts import links
from app.accounts.links import LinkInvalid, LinkRequest, OtherBrowser
from app.accounts.service import confirm_link
from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.models import Session, SignInLink, User, VerificationToken
from tests.factories import make_user

ASKED = LinkRequest(email="ada@example.com", name="Ada", company="Engines", next="/keys/")


async def ask(unit_of_work, request=ASKED, browser="mine"):
    async with unit_of_work() as session:
        return await links.request_link(session, request, browser=browser)


async def issue(unit_of_work, link_id):
    async with unit_of_work() as session:
        _, token = await links.issue_token(session, link_id)
    return token


async def confirm(unit_of_work, token, browser="mine", knowingly=False):
    async with unit_of_work() as session:
        return await confirm_link(
            session, token, browser=browser, knowingly=knowingly, user_agent="test", ip_address=None
        )


async def count(unit_of_work, model):
    async with unit_of_work() as session:
        return (await session.exec(select(func.count()).select_from(model))).one()


async def test_confirming_makes_a_verified_user_and_a_session(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    session_token, next_path = await confirm(unit_of_work, token)
    async with unit_of_work() as session:
        user = (await session.exec(select(User))).one()
        row = (await session.exec(select(Session))).one()
    assert (user.email, user.name, user.company) == ("ada@example.com", "Ada", "Engines")
    assert user.email_verified is not None
    assert row.session_token == sha256_hex(session_token)
    assert next_path == "/keys/"


async def test_no_token_is_stored_or_queued(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    async with unit_of_work() as session:
        tables = ['latchkey."SignInLink"', '"VerificationToken"', "latchkey.procrastinate_jobs"]
        dump = ""
        for table in tables:
            rows = await session.exec(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            dump += "".join(row[0] for row in rows)
    assert "ada@example.com" in dump
    assert token not in dump
    assert sha256_hex(token) in dump


async def test_fifty_confirmations_at_once_give_one_session(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    results = await asyncio.gather(
        *(confirm(unit_of_work, token) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, LinkInvalid) for result in results) == 49
    assert await count(unit_of_work, Session) == 1
    assert await count(unit_of_work, User) == 1


async def test_two_links_of_one_new_address_confirmed_at_once_make_one_user(unit_of_work):
    tokens = {
        browser: await issue(unit_of_work, await ask(unit_of_work, browser=browser))
        for browser in "abcdefgh"
    }
    await asyncio.gather(*(confirm(unit_of_work, tokens[one], browser=one) for one in tokens))
    assert await count(unit_of_work, User) == 1
    assert await count(unit_of_work, Session) == 8


async def test_link_is_dead_after_ten_minutes(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    async with unit_of_work() as session:
        row = (await session.exec(select(VerificationToken.expires - DB_NOW))).one()
        assert timedelta(minutes=9) < row <= timedelta(minutes=10)
        await session.exec(update(VerificationToken).values(expires=DB_NOW))
    with pytest.raises(LinkInvalid):
        await confirm(unit_of_work, token)


async def test_other_browser_must_go_on_knowingly(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    for browser in ("another", None, ""):
        with pytest.raises(OtherBrowser):
            await confirm(unit_of_work, token, browser=browser)
    assert await confirm(unit_of_work, token, browser="another", knowingly=True)


async def test_retried_mail_makes_a_new_token_and_ends_the_old(unit_of_work):
    link_id = await ask(unit_of_work)
    old, new = await issue(unit_of_work, link_id), await issue(unit_of_work, link_id)
    with pytest.raises(LinkInvalid):
        await confirm(unit_of_work, old)
    assert await confirm(unit_of_work, new)


async def test_used_request_gets_no_further_token(unit_of_work):
    link_id = await ask(unit_of_work)
    await confirm(unit_of_work, await issue(unit_of_work, link_id))
    async with unit_of_work() as session:
        assert await links.issue_token(session, link_id) is None


async def test_of_one_browsers_links_only_the_newest_works(unit_of_work):
    old = await issue(unit_of_work, await ask(unit_of_work))
    waiting = await ask(unit_of_work)
    newest = await ask(unit_of_work)
    async with unit_of_work() as session:
        assert await links.issue_token(session, waiting) is None
    new = await issue(unit_of_work, newest)
    with pytest.raises(LinkInvalid):
        await confirm(unit_of_work, old)
    assert await confirm(unit_of_work, new)
    assert await count(unit_of_work, VerificationToken) == 0


async def test_stranger_who_asks_for_the_same_address_ends_no_link(unit_of_work):
    token = await issue(unit_of_work, await ask(unit_of_work))
    await ask(unit_of_work, browser="a stranger's")
    other = LinkRequest(email="eve@example.com", name=None, company=None, next="/keys/")
    await ask(unit_of_work, other)
    assert await confirm(unit_of_work, token)


async def test_address_is_found_without_regard_to_case(unit_of_work):
    async with unit_of_work() as session:
        user = await make_user(session, email="Ada@Example.com", email_verified=None)
        user_id = user.id
    await confirm(unit_of_work, await issue(unit_of_work, await ask(unit_of_work)))
    async with unit_of_work() as session:
        user = (await session.exec(select(User))).one()
    assert user.id == user_id
    assert user.email_verified is not None


async def test_stale_requests_and_tokens_are_deleted(unit_of_work):
    await issue(unit_of_work, await ask(unit_of_work))
    long_ago = DB_NOW - timedelta(days=2)
    async with unit_of_work() as session:
        await session.exec(update(SignInLink).values(created_at=long_ago))
        await session.exec(update(VerificationToken).values(expires=long_ago))
    fresh = await issue(unit_of_work, await ask(unit_of_work))
    async with unit_of_work() as session:
        await links.delete_stale(session)
    assert await count(unit_of_work, SignInLink) == 1
    assert await confirm(unit_of_work, fresh)


async def test_wish_of_a_rolled_back_transaction_sends_no_mail(unit_of_work):
    class Stop(Exception):
        pass

    async def ask_and_stop():
        async with unit_of_work() as session:
            await links.request_link(session, ASKED, browser="mine")
            raise Stop

    with pytest.raises(Stop):
        await ask_and_stop()
    async with unit_of_work() as session:
        jobs = await session.exec(text("SELECT count(*) FROM latchkey.procrastinate_jobs"))
        assert jobs.scalar_one() == 0
