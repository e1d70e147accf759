"""Signing in by a real OpenID provider, and what must not come of it."""

from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.api.oauth_attempt import find_kept, keep
from app.core.crypto import sha256_hex
from app.models import Account, OAuthStateUse, Session, User
from tests.api.browser import ask, mail_link, make_settings, sign_in
from tests.api.oauth_world import (
    begin,
    come_back,
    identities,
    query_of,
    rows,
    sign_in_by,
    signed_in,
    users,
)
from tests.factories import make_user
from tests.issuer.real import CLIENT_ID, CLIENT_SECRET, issuer_settings

COOKIE = "latchkey_oauth"
CALLBACK = "http://localhost:8000/auth/oauth/oidc/callback"


@pytest.fixture
def settings(tmp_path, issuer):
    return make_settings(tmp_path, **issuer_settings(issuer))


async def test_newcomer_signs_in_to_an_account_whose_address_the_provider_vouches_for(
    visitor, unit_of_work, issuer
):
    answer = await sign_in_by(visitor, who="ada", next="/keys/?q=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/keys/?q=1")
    assert answer.headers["cache-control"] == "no-store"
    [user] = await rows(unit_of_work, User)
    assert (user.email, user.name) == ("ada@example.com", "Ada Lovelace")
    assert user.email_verified is not None
    [session] = await rows(unit_of_work, Session)
    assert session.session_token == sha256_hex(visitor.cookies["latchkey_session"])
    [account] = await rows(unit_of_work, Account)
    assert (account.type, account.provider) == ("oidc", f"oidc:{issuer}")
    assert (account.provider_account_id, account.user_id) == ("ada", user.id)
    kept = (account.access_token, account.refresh_token, account.id_token, account.scope)
    assert kept == (None, None, None, None)


async def test_provider_is_asked_with_state_nonce_and_pkce(visitor, issuer):
    url = await begin(visitor)
    assert str(url).startswith(f"{issuer}/auth?")
    asked = query_of(url)
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked.pop(name)) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }


async def test_each_start_asks_with_values_of_its_own(visitor):
    first, second = query_of(await begin(visitor)), query_of(await begin(visitor))
    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())


async def test_what_the_browser_remembers_is_short_and_out_of_reach_and_unreadable(visitor):
    answer = await visitor.get("/auth/oauth/oidc")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for attribute in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert attribute in cookie
    assert "Domain" not in cookie
    asked = query_of(answer.headers["location"])
    for secret in (asked["state"], asked["nonce"]):
        assert secret not in cookie
    assert answer.headers["cache-control"] == "no-store"


async def test_https_pins_the_cookie_to_this_host(open_browser, tmp_path, issuer):
    public = make_settings(
        tmp_path,
        public_url="https://api.example.com",
        secret_key="x" * 32,
        **issuer_settings(issuer),
    )
    visitor = await open_browser(public)
    cookie = (await visitor.get("/auth/oauth/oidc")).headers["set-cookie"]
    assert cookie.startswith("__Host-latchkey_oauth=")
    assert "; Secure" in cookie


async def test_returning_person_is_known_by_the_identity_whatever_their_address_here(
    visitor, unit_of_work
):
    await sign_in_by(visitor, who="ada")
    async with unit_of_work() as session:
        user = await session.get_one(User, (await rows(unit_of_work, User))[0].id)
        user.email = "ada@elsewhere.example"
    before = visitor.cookies["latchkey_session"]
    await sign_in_by(visitor, who="ada")
    assert await users(unit_of_work) == {"ada@elsewhere.example": True}
    # a new session, and this browser's old one has ended
    assert visitor.cookies["latchkey_session"] != before
    assert await signed_in(unit_of_work) == ["ada@elsewhere.example"]


async def test_replayed_callback_signs_nobody_in(visitor, unit_of_work):
    callback = await come_back(visitor, who="ada")
    kept = visitor.cookies[COOKIE]
    assert (await visitor.get(callback)).status_code == 303
    assert COOKIE not in visitor.cookies
    again = await visitor.get(callback)
    visitor.cookies.set(COOKIE, kept)
    with_cookie = await visitor.get(callback)
    for answer in (again, with_cookie):
        assert answer.status_code == 400
        assert "finished already" in answer.text
        assert 'href="/sign-in/?next=' in answer.text
        assert "latchkey_session" not in answer.headers.get("set-cookie", "")
    assert len(await rows(unit_of_work, Session)) == 1


async def test_callback_in_another_browser_signs_nobody_in_and_the_first_can_go_on(
    visitor, open_browser, unit_of_work
):
    callback = await come_back(visitor, who="ada")
    other = await open_browser()
    refused = await other.get(callback)
    assert refused.status_code == 400
    assert "another browser" in refused.text
    # nor with an attempt of its own
    await begin(other)
    assert (await other.get(callback)).status_code == 400
    assert await signed_in(unit_of_work) == []
    assert (await visitor.get(callback)).status_code == 303


async def test_forged_callback_does_not_end_the_attempt_that_runs(visitor):
    callback = await come_back(visitor, who="ada")
    for forged in ("?state=x&error=access_denied", "?code=x", f"{callback}&state=x"):
        path = forged if forged.startswith("/") else f"/auth/oauth/oidc/callback{forged}"
        assert (await visitor.get(path)).status_code == 400
    assert (await visitor.get(callback)).status_code == 303


async def test_attempt_of_more_than_ten_minutes_ago_is_over(visitor, settings, unit_of_work):
    callback = await come_back(visitor, who="ada")
    shift_attempt(visitor, settings, minutes=11)
    refused = await visitor.get(callback)
    assert refused.status_code == 400
    assert "longer than ten minutes" in refused.text
    assert await rows(unit_of_work, User) == []
    assert await rows(unit_of_work, OAuthStateUse) == []


async def test_cancelled_consent_has_a_page_without_the_providers_words(visitor, unit_of_work):
    answer = await sign_in_by(visitor, who="nobody", next="/keys/")
    assert answer.status_code == 403
    assert "This was cancelled" in answer.text
    assert 'href="/sign-in/?next=%2Fkeys%2F"' in answer.text
    assert "They said no" not in answer.text
    assert COOKIE not in visitor.cookies
    assert await rows(unit_of_work, User) == []


async def test_person_without_an_address_is_told_what_is_missing(visitor, unit_of_work):
    answer = await sign_in_by(visitor, who="ghost")
    assert answer.status_code == 403
    assert "did not tell us your address" in answer.text
    assert await rows(unit_of_work, User) == []


async def test_somebody_elses_unverified_address_opens_nothing(visitor, unit_of_work):
    async with unit_of_work() as session:
        await make_user(session, email="Victim@example.com")
    answer = await sign_in_by(visitor, who="mallory")
    assert answer.status_code == 409
    assert "Sign in first, then connect" in answer.text
    assert "latchkey_session" not in visitor.cookies
    assert await users(unit_of_work) == {"Victim@example.com": True}
    assert await identities(unit_of_work) == {}
    assert await signed_in(unit_of_work) == []


async def test_unverified_address_of_nobody_gets_an_account_that_is_not_verified(
    visitor, unit_of_work
):
    assert (await sign_in_by(visitor, who="mallory")).status_code == 303
    assert await users(unit_of_work) == {"victim@example.com": False}
    assert await signed_in(unit_of_work) == ["victim@example.com"]


async def test_who_verifies_in_the_browser_that_is_signed_in_keeps_the_provider(
    visitor, unit_of_work
):
    await sign_in_by(visitor, who="mallory")
    await sign_in(visitor, unit_of_work, "victim@example.com")
    assert await users(unit_of_work) == {"victim@example.com": True}
    assert await identities(unit_of_work) == {"mallory": "victim@example.com"}


async def test_who_verifies_elsewhere_ends_what_another_made_with_their_address(
    visitor, open_browser, unit_of_work
):
    # pre-hijacking: the account is waiting for its victim
    await sign_in_by(visitor, who="mallory")
    await ask(visitor, "victim@example.com")
    path = await mail_link(unit_of_work)
    victim = await open_browser()
    assert (await victim.post(path, data={"other_browser": "1"})).status_code == 303
    assert await users(unit_of_work) == {"victim@example.com": True}
    assert await identities(unit_of_work) == {}
    [session] = await rows(unit_of_work, Session)
    assert session.session_token == sha256_hex(victim.cookies["latchkey_session"])
    assert (await sign_in_by(visitor, who="mallory")).status_code == 409


async def test_address_that_both_sides_vouch_for_leads_to_the_account_there_is(
    visitor, unit_of_work
):
    async with unit_of_work() as session:
        await make_user(session, email="ADA@example.com")
    assert (await sign_in_by(visitor, who="ada")).status_code == 303
    assert await identities(unit_of_work) == {"ada": "ADA@example.com"}
    assert await signed_in(unit_of_work) == ["ADA@example.com"]


async def test_address_that_only_the_provider_vouches_for_does_not(visitor, unit_of_work):
    async with unit_of_work() as session:
        await make_user(session, email="ada@example.com", email_verified=None)
    assert (await sign_in_by(visitor, who="ada")).status_code == 409
    assert await users(unit_of_work) == {"ada@example.com": False}
    assert await identities(unit_of_work) == {}


@pytest.mark.parametrize("hostile", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_way_on_never_leads_elsewhere(visitor, hostile):
    answer = await sign_in_by(visitor, who="ada", next=hostile)
    assert answer.headers["location"] == "/overview/"


@pytest.mark.parametrize("name", ["github", "google", "x", "oidc%2F..", "callback"])
async def test_provider_that_is_not_configured_is_not_there(visitor, name):
    for path in (f"/auth/oauth/{name}", f"/auth/oauth/{name}/callback?state=x&code=y"):
        assert (await visitor.get(path)).status_code == 404
    assert (await visitor.post(f"/auth/oauth/{name}/connect")).status_code == 404


async def test_secret_that_the_provider_does_not_know_is_ours_to_mend(
    open_browser, tmp_path, issuer
):
    wrong = issuer_settings(issuer, oauth_oidc_client_secret="another")
    visitor = await open_browser(make_settings(tmp_path, **wrong))
    answer = await sign_in_by(visitor, who="ada")
    assert answer.status_code == 503
    assert "not set up rightly on our side" in answer.text
    assert "another" not in answer.text


async def test_nothing_of_the_secrets_is_said_in_the_log(visitor, caplog):
    caplog.set_level("DEBUG")
    callback = await come_back(visitor, who="ada")
    await visitor.get(callback)
    await visitor.get(callback)
    ours = "\n".join(record.getMessage() for record in caplog.records if "app" in record.name)
    for secret in (CLIENT_SECRET, query_of(callback)["code"], query_of(callback)["state"]):
        assert secret not in ours


def shift_attempt(browser: httpx.AsyncClient, settings, *, minutes: int) -> None:
    """Let the attempt have begun that much earlier."""
    headers = [(b"cookie", f"{COOKIE}={browser.cookies[COOKIE]}".encode())]
    attempt = find_kept(Request({"type": "http", "headers": headers}), settings)
    earlier = replace(attempt, began_at=attempt.began_at - timedelta(minutes=minutes))
    answer = Response()
    keep(answer, earlier, settings)
    browser.cookies.set(COOKIE, SimpleCookie(answer.headers["set-cookie"])[COOKIE].value)
