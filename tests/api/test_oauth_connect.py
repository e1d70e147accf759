"""Connecting a provider to the account that one is signed in to."""

import html
import re

import pytest

from app.models import Account, User
from tests.api.browser import make_settings, sign_in
from tests.api.oauth_world import identities, rows, sign_in_by, users
from tests.factories import make_session, make_user
from tests.issuer.real import consent, issuer_settings

CONNECT = "/auth/oauth/oidc/connect"


@pytest.fixture
def settings(tmp_path, issuer):
    return make_settings(tmp_path, **issuer_settings(issuer))


async def come_back_to_connect(browser, *, who):
    """Press "Connect" and pass the provider; the callback's path, not yet followed."""
    page = await browser.post(CONNECT)
    assert page.status_code == 200, page.text
    refreshed = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    return await consent(html.unescape(refreshed[1]), who=who)


async def test_connected_provider_signs_in_to_the_account(visitor, unit_of_work):
    await sign_in(visitor, unit_of_work, "me@example.com")
    session = visitor.cookies["latchkey_session"]
    answer = await visitor.get(await come_back_to_connect(visitor, who="grace"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/")
    assert visitor.cookies["latchkey_session"] == session
    assert await identities(unit_of_work) == {"grace": "me@example.com"}
    await sign_in_by(visitor, who="grace")
    assert await users(unit_of_work) == {"me@example.com": True}


async def test_page_in_between_needs_no_script(visitor, unit_of_work):
    await sign_in(visitor, unit_of_work)
    page = await visitor.post(CONNECT)
    assert page.headers["cache-control"] == "no-store"
    assert re.search(r'<a class="button[^"]*" href="http://127.0.0.1:\d+/auth\?', page.text)


async def test_connecting_twice_is_no_error(visitor, unit_of_work):
    await sign_in(visitor, unit_of_work, "me@example.com")
    for _ in range(2):
        answer = await visitor.get(await come_back_to_connect(visitor, who="grace"))
        assert answer.status_code == 303
    assert len(await rows(unit_of_work, Account)) == 1


async def test_stranger_is_sent_to_sign_in(visitor):
    answer = await visitor.post(CONNECT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/?next=/settings/")
    assert "latchkey_oauth" not in visitor.cookies


async def test_page_of_another_site_cannot_begin_it(visitor, unit_of_work):
    await sign_in(visitor, unit_of_work)
    for origin in ("https://evil.example", "null"):
        assert (await visitor.post(CONNECT, headers={"Origin": origin})).status_code == 403
    assert (await visitor.get(CONNECT)).status_code == 405


@pytest.mark.parametrize("meanwhile", ["signed out", "another person", "another session"])
async def test_it_ends_only_in_the_session_that_began_it(visitor, unit_of_work, meanwhile):
    await sign_in(visitor, unit_of_work, "me@example.com")
    callback = await come_back_to_connect(visitor, who="grace")
    if meanwhile == "signed out":
        await visitor.post("/auth/sign-out")
    elif meanwhile == "another person":
        await sign_in(visitor, unit_of_work, "other@example.com")
    else:
        [user] = await rows(unit_of_work, User)
        async with unit_of_work() as session:
            _, token = await make_session(session, user)
        visitor.cookies.set("latchkey_session", token)
    answer = await visitor.get(callback)
    assert answer.status_code == 400
    assert 'href="/settings/"' in answer.text
    assert await identities(unit_of_work) == {}


async def test_identity_of_somebody_else_stays_theirs(visitor, open_browser, unit_of_work):
    await sign_in_by(await open_browser(), who="grace")
    await sign_in(visitor, unit_of_work, "me@example.com")
    answer = await visitor.get(await come_back_to_connect(visitor, who="grace"))
    assert answer.status_code == 409
    assert "connected to another account" in answer.text
    assert "grace" not in answer.text.lower()
    assert await identities(unit_of_work) == {"grace": "grace@example.com"}


async def test_provider_that_vouches_for_the_accounts_address_verifies_it(visitor, unit_of_work):
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com", email_verified=None)
        _, token = await make_session(session, user)
    visitor.cookies.set("latchkey_session", token)
    await visitor.get(await come_back_to_connect(visitor, who="grace"))
    assert await users(unit_of_work) == {"ada@example.com": False}
    await visitor.get(await come_back_to_connect(visitor, who="ada"))
    assert await users(unit_of_work) == {"ada@example.com": True}
