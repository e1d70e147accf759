"""A trial in a real browser: started, watched, converted while a program calls, or cancelled."""

from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.billing_pages import EVENT_MS, pay
from tests.e2e.calls import ask_usage, calling_on, screen, seconds_until
from tests.e2e.people import newcomer, seed, sign_in
from tests.e2e.trial_pages import create_key, open_start, open_trials, start_trial, trial_card
from tests.factories import make_session, make_trial_key, make_user, make_workspace
from tests.portal import Portal

REFRESH_MS = 10_000
REVOKED_WITHIN_SECONDS = 1.0


@pytest.fixture
def page(page: Page, portal: Portal) -> Page:
    """The browser of a customer who has nothing yet."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page.context, portal.url, seed(portal.database_url, newcomer))
    return page


def move_end(portal: Portal, slug: str, left: timedelta) -> None:
    """Let so much of the trial be left, from now on."""
    statement = """UPDATE "TrialWorkspace"
        SET "expiresAt" = now() AT TIME ZONE 'UTC' + %s WHERE slug = %s"""
    with psycopg.connect(portal.database_url) as connection:
        connection.execute(statement, [left, slug])


def test_trial_becomes_a_plan_under_a_program_that_calls(page: Page, portal: Portal, report):
    open_trials(page, portal)
    expect(page.get_by_text("needs no card")).to_be_visible()
    page.get_by_role("button", name="Start a trial").first.click()
    start_trial(page, "Ünïcode GmbH", "Standard")
    expect(page).to_have_url(f"{portal.url}/trials/unicode-gmbh/")
    expect(page).to_have_title("Ünïcode GmbH · Latchkey")
    card = trial_card(page)
    expect(card).to_contain_text("14 days left")
    expect(card).to_contain_text("0 of 5,000 units used")

    key = create_key(page, "production")
    assert key.startswith("lk_trial_")
    assert key not in page.content()
    answer = screen(portal, key)
    assert (answer.status_code, "X-Trial-Ends" in answer.headers) == (200, True)
    # no reload: use and time left follow by themselves
    expect(card).to_contain_text("1 of 5,000 units used", timeout=REFRESH_MS)
    move_end(portal, "unicode-gmbh", timedelta(days=2, hours=5, minutes=30))
    expect(card).to_contain_text("2 days 5 hours left", timeout=REFRESH_MS)

    with calling_on(portal, key, pause_seconds=0.03) as statuses:
        page.get_by_role("button", name="Convert to a plan").click()
        dialog = page.get_by_role("dialog", name="Convert Ünïcode GmbH")
        expect(dialog).to_contain_text("it takes over its key, live at once: the same secrets")
        expect(dialog).to_contain_text("nothing is charged before")
        expect(dialog.get_by_role("radio", name="Standard")).to_be_checked()
        dialog.get_by_role("button", name="Continue to payment").click()
        expect(page.get_by_role("heading", name="Subscribe to Standard")).to_be_visible()
        expect(page.get_by_text("Free until")).to_be_visible()
        pay(page)
        words = "Your trial Ünïcode GmbH is converted: its key is live now, on Standard."
        expect(page.get_by_text(words)).to_be_visible(timeout=EVENT_MS)
        limit = ask_usage(portal, key)["units_limit"]
        page.get_by_role("link", name="See your keys").click()
        row = page.get_by_role("row", name="production")
        expect(row).to_contain_text(key[:13])
        expect(row).to_contain_text("Active")
        expect(row).to_contain_text("From a trial")
    assert limit == 50_000
    assert len(statuses) > 20
    assert set(statuses) == {200}
    report(f"calls while a trial was converted in a browser: {len(statuses)}, none refused")

    page.goto(f"{portal.url}/trials/unicode-gmbh/")
    expect(trial_card(page)).to_contain_text("Converted on")
    expect(page.get_by_role("button", name="Convert to a plan")).to_be_hidden()
    assert screen(portal, key).status_code == 200


def test_trial_that_is_cancelled_stops_at_once(page: Page, portal: Portal):
    open_start(page, portal, "enterprise")
    start_trial(page, "Short & sweet", "Enterprise")
    expect(page.get_by_text("A trial of Enterprise")).to_be_visible()
    key = create_key(page, "laptop")
    assert screen(portal, key).status_code == 200
    page.get_by_role("button", name="Cancel trial").click()
    dialog = page.get_by_role("dialog", name="Cancel Short & sweet")
    expect(dialog).to_contain_text("Calls with its key are refused")
    expect(dialog).to_contain_text("The trial made 1 call in the last 24 hours")
    expect(dialog.get_by_role("button", name="Keep trial")).to_be_focused()
    dialog.get_by_role("textbox").fill("Short")
    dialog.get_by_role("button", name="Cancel trial").click()
    expect(dialog).to_contain_text("Type the trial's name just as it is shown.")
    dialog.get_by_role("textbox").fill("Short & sweet")
    dialog.get_by_role("button", name="Cancel trial").click()
    expect(page.get_by_text("This trial was cancelled")).to_be_visible()
    assert seconds_until(401, portal, key, within=REVOKED_WITHIN_SECONDS) < REVOKED_WITHIN_SECONDS
    expect(page.get_by_role("button", name="Create key")).to_be_hidden()
    # and there is no second one
    open_start(page, portal, "enterprise")
    start_trial(page, "Once more", "Enterprise")
    dialog = page.get_by_role("dialog", name="Start a trial")
    expect(dialog.get_by_role("link", name="Buy Enterprise")).to_be_visible()
    start_trial(page, "Once more", "Standard")
    expect(page).to_have_url(f"{portal.url}/trials/once-more/")


def test_addresses_of_trials_are_real_ones(page: Page, portal: Portal):
    async def make(session):
        stranger, owner = await make_user(session), await make_user(session)
        await make_workspace(session, stranger, name="Theirs", slug="theirs")
        mine = await make_workspace(session, owner, name="Mine", slug="mine")
        await make_trial_key(session, mine, label="production")
        return (await make_session(session, owner))[1]

    sign_in(page.context, portal.url, seed(portal.database_url, make))
    for unknown in ("theirs", "no-such-trial", "Trials%20and%20more"):
        page.goto(f"{portal.url}/trials/{unknown}/")
        expect(page.get_by_text("There is no such trial here")).to_be_visible()
        expect(page.get_by_text("Theirs")).to_have_count(0)
    page.get_by_role("link", name="See your trials").click()
    page.get_by_role("link", name="Mine").click()
    expect(page.get_by_role("row", name="production")).to_be_visible()
    page.reload()
    expect(page.get_by_role("row", name="production")).to_be_visible()
    expect(page).to_have_title("Mine · Latchkey")
    page.go_back()
    expect(page.get_by_role("table", name="Your trials")).to_be_visible()
    expect(page).to_have_title("Trials · Latchkey")


def test_trial_that_ends_while_one_looks_says_what_to_do(page: Page, portal: Portal):
    async def make(session):
        owner = await make_user(session)
        trial = await make_workspace(session, owner, name="Over", slug="over")
        await make_trial_key(session, trial, label="production")
        return (await make_session(session, owner))[1]

    sign_in(page.context, portal.url, seed(portal.database_url, make))
    page.goto(f"{portal.url}/trials/over/")
    expect(trial_card(page)).to_contain_text("14 days left")
    move_end(portal, "over", timedelta(seconds=-1))
    expect(page.get_by_text("This trial is over")).to_be_visible(timeout=REFRESH_MS)
    expect(page.get_by_role("button", name="Create key")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel trial")).to_be_hidden()
    expect(page.get_by_role("button", name="Convert to a plan")).to_be_visible()


def test_stranger_is_led_from_the_prices_to_the_trial(page: Page, portal: Portal):
    page.context.clear_cookies()
    page.goto(f"{portal.url}/pricing/")
    page.get_by_role("link", name="Start a trial of Enterprise").locator("visible=true").click()
    next_page = quote("/trials/?tier=enterprise", safe="")
    expect(page).to_have_url(f"{portal.url}/sign-up/?next={next_page}")
    sign_in(page.context, portal.url, seed(portal.database_url, newcomer))
    page.goto(f"{portal.url}/trials/?tier=enterprise")
    dialog = page.get_by_role("dialog", name="Start a trial")
    expect(dialog.get_by_role("radio", name="Enterprise")).to_be_checked()
