"""Names and sessions, in a real browser."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts import suspension
from app.ui.layouts import PORTAL_NAV
from tests.conftest import TEMPLATE, new_database
from tests.e2e.people import seed, sign_in
from tests.factories import make_key, make_session, make_user
from tests.portal import Portal, running_portal


@pytest.fixture(scope="module")
def portal(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with (
        new_database(postgres, TEMPLATE) as url,
        running_portal(tmp_path_factory.mktemp("portal"), DATABASE_URL=url) as running,
    ):
        running.database_url = url
        yield running


def open_settings(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/settings/")
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()


def test_names_are_kept_and_browsers_are_signed_out(
    page: Page, portal: Portal, browser: Browser
) -> None:
    async def make(session):
        user = await make_user(session, name=None)
        return [(await make_session(session, user))[1] for _ in range(3)]

    here, there, third = seed(portal.database_url, make)
    sign_in(page.context, portal.url, here)
    with browser.new_context() as other, browser.new_context() as last:
        sign_in(other, portal.url, there)
        sign_in(last, portal.url, third)
        elsewhere, far = other.new_page(), last.new_page()
        open_settings(elsewhere, portal)
        open_settings(far, portal)

        open_settings(page, portal)
        expect(page).to_have_title("Settings · Latchkey")
        page.get_by_label("Name").fill("Ada Lovelace")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        page.reload()
        expect(page.get_by_label("Name")).to_have_value("Ada Lovelace")

        sessions = page.get_by_role("table", name="Your sessions")
        expect(sessions.get_by_text("This one")).to_have_count(1)
        expect(sessions.get_by_role("row")).to_have_count(4)
        page.get_by_role("button", name="Sign out all others").click()
        dialog = page.get_by_role("dialog", name="Sign out all other browsers")
        dialog.get_by_role("button", name="Sign out all others").click()
        expect(page.get_by_text("Signed out 2 other browsers.")).to_be_visible()
        expect(page.get_by_text("No other browser is signed in.")).to_be_visible()
        elsewhere.get_by_role("button", name="Save").click()
        expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
        far.reload()
        expect(far.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_out_everywhere_leads_out_of_the_portal(
    page: Page, portal: Portal, browser: Browser
) -> None:
    async def make(session):
        user = await make_user(session)
        return [(await make_session(session, user))[1] for _ in range(2)]

    here, there = seed(portal.database_url, make)
    sign_in(page.context, portal.url, here)
    with browser.new_context() as other:
        sign_in(other, portal.url, there)
        elsewhere = other.new_page()
        open_settings(elsewhere, portal)
        open_settings(page, portal)
        page.get_by_role("button", name="Sign out everywhere").click()
        page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
        expect(page).to_have_url(f"{portal.url}/")
        assert page.context.cookies() == []
        elsewhere.get_by_role("link", name="Keys", exact=True).click()
        expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()


def test_suspended_customer_is_told_on_every_page_and_by_the_api_until_restored(
    page: Page, portal: Portal
) -> None:
    async def make(session):
        user = await make_user(session)
        _, secret = await make_key(session, user)
        return user.id, (await make_session(session, user))[1], secret

    async def suspend(session):
        await suspension.suspend(session, user_id, reason="abuse", suspended_by="ops")

    async def restore(session):
        await suspension.restore(session, user_id)

    user_id, token, secret = seed(portal.database_url, make)
    sign_in(page.context, portal.url, token)
    told = page.get_by_text("Your account is suspended")
    seed(portal.database_url, suspend)
    assert eventually(portal, secret, 403)["code"] == "account_suspended"
    for _, address, _ in PORTAL_NAV:
        page.goto(f"{portal.url}{address}")
        expect(told).to_be_visible()
    seed(portal.database_url, restore)
    eventually(portal, secret, 200)
    page.reload()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    expect(told).to_be_hidden()


def eventually(portal: Portal, key: str, status: int) -> dict[str, Any]:
    """What the API answers once it has this status, within the second that is promised."""
    deadline = time.monotonic() + 1
    while True:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{portal.url}/api/v1/usage", headers=headers, timeout=10)
        if answer.status_code == status:
            return answer.json()
        assert time.monotonic() < deadline, answer.text
