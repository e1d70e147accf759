"""Signing in by the link's button, and out again."""

import asyncio

import pytest
from sqlmodel import func, select, update

from app.core.crypto import sha256_hex
from app.models import Session, SessionDetail, SignInLink, User
from tests.api.browser import ask, mail_link, make_settings, sign_in

pytestmark = pytest.mark.usefixtures("asked_often")

HOSTILE = ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)",
           "\t//evil.example", "/keys/\r\nSet-Cookie: a=b", "keys"]  # fmt: skip


async def sessions(unit_of_work):
    async with unit_of_work() as session:
        return set((await session.exec(select(Session.session_token))).all())


def session_cookie(visitor):
    return visitor.cookies.get("latchkey_session")


async def test_button_signs_in_once(visitor, unit_of_work):
    await ask(visitor, name="Ada", company="Engines")
    path = await mail_link(unit_of_work)
    answer = await visitor.post(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview/")
    assert answer.headers["cache-control"] == "no-store"
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(visitor))}
    again = await visitor.post(path)
    assert again.status_code == 410
    assert "set-cookie" not in again.headers
    assert len(await sessions(unit_of_work)) == 1
    async with unit_of_work() as session:
        user = (await session.exec(select(User))).one()
    assert (user.email, user.name, user.company) == ("ada@example.com", "Ada", "Engines")


async def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor, unit_of_work):
    answer = await sign_in(visitor, unit_of_work)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("latchkey_session=")
    for attribute in ("HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={30 * 24 * 60 * 60}"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie


async def test_https_pins_both_cookies_to_this_host(open_browser, unit_of_work, tmp_path):
    public = make_settings(tmp_path, public_url="https://api.example.com", secret_key="x" * 32)
    visitor = await open_browser(public)
    asked = await ask(visitor)
    signed_in = await visitor.post(await mail_link(unit_of_work))
    signed_out = await visitor.post("/auth/sign-out")
    cookies = [answer.headers["set-cookie"] for answer in (asked, signed_in, signed_out)]
    names = [cookie.partition("=")[0] for cookie in cookies]
    assert names == [
        "__Host-latchkey_browser", "__Host-latchkey_session", "__Host-latchkey_session"
    ]  # fmt: skip
    for cookie in cookies:
        assert "; Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


async def test_session_remembers_device_and_address(visitor, unit_of_work):
    await ask(visitor)
    path = await mail_link(unit_of_work)
    await visitor.post(path, headers={"User-Agent": "Lynx", "X-Forwarded-For": "203.0.113.9"})
    async with unit_of_work() as session:
        detail = (await session.exec(select(SessionDetail))).one()
    assert (detail.user_agent, detail.ip_address) == ("Lynx", "127.0.0.1")


async def test_other_browser_must_say_that_it_asked(visitor, open_browser, unit_of_work):
    await ask(visitor)
    path = await mail_link(unit_of_work)
    other = await open_browser()
    page = await other.get(path)
    assert page.status_code == 200
    assert "Did you ask for this link?" in page.text
    assert 'name="other_browser" value="1"' in page.text
    for values in ({}, {"other_browser": ""}, {"other_browser": "0"}):
        refused = await other.post(path, data=values)
        assert "Did you ask for this link?" in refused.text
        assert session_cookie(other) is None
    assert await sessions(unit_of_work) == set()
    assert (await other.post(path, data={"other_browser": "1"})).status_code == 303
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(other))}


async def test_way_on_is_where_the_person_wanted_to_be(visitor, unit_of_work):
    await ask(visitor, next="/logs/?status=4xx&q=%2F")
    answer = await visitor.post(await mail_link(unit_of_work))
    assert answer.headers["location"] == "/logs/?status=4xx&q=%2F"


async def test_way_on_never_leads_elsewhere(visitor, unit_of_work):
    for hostile in HOSTILE:
        asked = await ask(visitor, next=hostile)
        assert "evil.example" not in asked.text
        answer = await visitor.post(await mail_link(unit_of_work))
        assert answer.headers["location"] == "/overview/", hostile


async def test_stored_way_on_never_leads_elsewhere(visitor, unit_of_work):
    for hostile in [*HOSTILE, ""]:
        await ask(visitor)
        async with unit_of_work() as session:
            await session.exec(update(SignInLink).values(next=hostile))
        answer = await visitor.post(await mail_link(unit_of_work))
        assert answer.headers["location"] == "/overview/", hostile


async def test_new_sign_in_ends_this_browsers_session_and_no_other(
    visitor, open_browser, unit_of_work
):
    elsewhere = await open_browser()
    await sign_in(elsewhere, unit_of_work)
    await sign_in(visitor, unit_of_work)
    before = session_cookie(visitor)
    await sign_in(visitor, unit_of_work, "grace@example.com")
    assert session_cookie(visitor) != before
    expected = {sha256_hex(session_cookie(one)) for one in (visitor, elsewhere)}
    assert await sessions(unit_of_work) == expected


async def test_refused_link_leaves_the_present_session(visitor, unit_of_work):
    await sign_in(visitor, unit_of_work)
    assert (await visitor.post("/auth/email/confirm?token=unknown")).status_code == 410
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(visitor))}


async def test_signing_out_ends_this_session_and_clears_its_cookie(
    visitor, open_browser, unit_of_work
):
    elsewhere = await open_browser()
    await sign_in(elsewhere, unit_of_work)
    await sign_in(visitor, unit_of_work)
    answer = await visitor.post("/auth/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'latchkey_session=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert session_cookie(visitor) is None
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(elsewhere))}


async def test_signing_out_everywhere_ends_all_sessions_of_this_person_alone(
    visitor, open_browser, unit_of_work
):
    elsewhere, stranger = await open_browser(), await open_browser()
    await sign_in(elsewhere, unit_of_work)
    await sign_in(stranger, unit_of_work, "grace@example.com")
    await sign_in(visitor, unit_of_work)
    answer = await visitor.post("/auth/sign-out", data={"everywhere": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(stranger))}


async def test_ended_session_signs_nobody_out_elsewhere(visitor, open_browser, unit_of_work):
    elsewhere = await open_browser()
    await sign_in(visitor, unit_of_work)
    stolen = session_cookie(visitor)
    await visitor.post("/auth/sign-out")
    await sign_in(elsewhere, unit_of_work)
    headers = {"Cookie": f"latchkey_session={stolen}"}
    answer = await visitor.post("/auth/sign-out", data={"everywhere": "1"}, headers=headers)
    assert answer.status_code == 303
    assert await sessions(unit_of_work) == {sha256_hex(session_cookie(elsewhere))}


async def test_signing_out_without_a_session_is_no_error(visitor):
    assert (await visitor.post("/auth/sign-out")).status_code == 303
    for cookie in ("unknown", "ü", ""):
        headers = {"Cookie": f"latchkey_session={cookie}".encode()}
        assert (await visitor.post("/auth/sign-out", headers=headers)).status_code == 303


async def test_fifty_presses_at_once_give_one_session(visitor, unit_of_work):
    await ask(visitor)
    path = await mail_link(unit_of_work)
    answers = await asyncio.gather(*(visitor.post(path) for _ in range(50)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [303, *[410] * 49]
    async with unit_of_work() as session:
        for model in (Session, User):
            assert (await session.exec(select(func.count()).select_from(model))).one() == 1
