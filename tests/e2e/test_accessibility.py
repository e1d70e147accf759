"""axe finds nothing on any page or open dialog, light and dark, wide and at 360 px."""

import os
import time
from itertools import count

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.integrations.mail import list_stored
from app.ui.layouts import PORTAL_NAV
from app.ui.pages.public import public_pages
from tests.e2e.billing_pages import choose, expect_plan, go_to_payment, open_billing, pay
from tests.e2e.people import (
    newcomer,
    regular,
    seed,
    sign_in,
    suspended,
    unpaid,
    with_one_key,
    with_trials,
)
from tests.e2e.trial_pages import open_start, start_trial
from tests.factories import make_sign_in_link

PUBLIC = [look["route"] for _, look in public_pages()]
SIGNED_IN = [address for _, address, _ in PORTAL_NAV]
LOOKS = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for scheme, width in (("light", 1280), ("dark", 360), ("light", 360), ("dark", 1280))
]
SHORT = 2
"""Each colour and each width is there; ALL_LOOKS=1, as in `make looks`, takes the others too."""
MAIL_SECONDS = 20
CSP = "Content Security Policy"
"""In all that a browser says of what the page's policy forbids."""
_numbers = count(1)
AXE_OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(
    params=LOOKS if os.environ.get("ALL_LOOKS") else LOOKS[:SHORT],
    ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}",
)
def page(request, browser):
    # nothing moves then, so axe never meets a colour half faded in
    with browser.new_context(**request.param, reduced_motion="reduce") as context:
        page, refused = context.new_page(), []
        page.on("console", lambda said: refused.append(said.text) if CSP in said.text else None)
        yield page
    assert refused == []


def assert_clean(page, place):
    """No axe finding, and nothing that scrolls sideways."""
    findings = Axe().run(page, options=AXE_OPTIONS)
    assert findings.violations_count == 0, f"{place}: {findings.generate_report()}"
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"{place} scrolls sideways by {overflow} px"


def test_public_pages(page, portal):
    for route in PUBLIC:
        address = "/no-such-page" if route == "404" else route
        page.goto(f"{portal.url}{address}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert_clean(page, route)


def test_api_reference(page, portal):
    page.goto(f"{portal.url}/api/docs")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert_clean_page(page, "API reference")


@pytest.mark.parametrize("person", [newcomer, regular], ids=["empty", "full"])
def test_signed_in_pages(page, portal, person):
    sign_in(page.context, portal.url, seed(portal.database_url, person))
    for address in SIGNED_IN:
        page.goto(f"{portal.url}{address}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("Loading")).to_have_count(0)
        assert_clean(page, address)


def test_dialogs_and_menus(page, portal):
    sign_in(page.context, portal.url, seed(portal.database_url, with_one_key))
    page.goto(f"{portal.url}/keys/")
    page.get_by_role("button", name="Actions for production").click()
    expect(page.get_by_role("button", name="Revoke")).to_be_visible()
    assert_clean(page, "the actions menu")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog", name="Revoke production")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    assert_clean(page, "the revoke dialog")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Actions for production").click()
    page.get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("dialog", name="Rotate production")).to_be_visible()
    assert_clean(page, "the rotate dialog")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("  ")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Give the key a name")).to_be_visible()
    assert_clean(page, "the create dialog with an error")
    page.get_by_role("dialog").get_by_label("Name").fill("laptop")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    expect(page.get_by_role("dialog", name="Copy your key now")).to_be_visible()
    assert_clean(page, "the new key")


def test_trial_pages(page, portal):
    token, slugs = seed(portal.database_url, with_trials)
    sign_in(page.context, portal.url, token)
    for state in ("empty", "amber", "expired", "converted", "unknown"):
        page.goto(f"{portal.url}/trials/{slugs.get(state, state)}/")
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        assert_clean(page, f"a trial: {state}")


def test_dialogs_of_trials(page, portal):
    sign_in(page.context, portal.url, seed(portal.database_url, newcomer))
    open_start(page, portal, "standard")
    start_trial(page, " ", "Enterprise")
    expect(page.get_by_text("Give the trial a name")).to_be_visible()
    assert_clean(page, "the start dialog with an error")
    start_trial(page, "Acme", "Enterprise")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("dialog", name="Create a trial key")).to_be_visible()
    assert_clean(page, "the create dialog of a trial")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    expect(page.get_by_role("dialog", name="Copy your key now")).to_be_visible()
    assert_clean(page, "the new key of a trial")
    page.get_by_role("button", name="Close anyway").click()
    page.get_by_role("button", name="Convert to a plan").click()
    expect(page.get_by_role("dialog").get_by_text("$499 a month")).to_be_visible()
    assert_clean(page, "the convert dialog without a plan")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Convert to a plan")).to_be_focused()
    page.get_by_role("button", name="Cancel trial").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Another")
    page.get_by_role("dialog").get_by_role("button", name="Cancel trial").click()
    expect(page.get_by_text("Type the trial's name just as it is shown.")).to_be_visible()
    assert_clean(page, "the cancel dialog with an error")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Actions for default").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog", name="Revoke default")).to_be_visible()
    assert_clean(page, "the revoke dialog of a trial's key")
    page.keyboard.press("Escape")
    # one trial of a plan at a time
    open_start(page, portal, "enterprise")
    start_trial(page, "Again", "Enterprise")
    expect(page.get_by_role("link", name="Buy Enterprise")).to_be_visible()
    assert_clean(page, "the start dialog of a trial that runs")


def test_billing_page_and_its_dialogs(page, portal):
    sign_in(page.context, portal.url, seed(portal.database_url, newcomer))
    open_billing(page, portal)
    page.get_by_text("Yearly").click()
    choose(page, "Standard")
    assert_clean(page, "the buy dialog")
    go_to_payment(page)
    pay(page)
    expect_plan(page, "Standard", "Active")
    expect(page.get_by_role("table", name="Your invoices")).to_be_visible()
    assert_clean(page, "billing with a plan and an invoice")
    dialog = choose(page, "Enterprise")
    expect(dialog.get_by_text("Due now")).to_be_visible()
    assert_clean(page, "the change dialog with its sums")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel plan").click()
    expect(page.get_by_role("dialog", name="Cancel Standard")).to_be_visible()
    assert_clean(page, "the cancel dialog")
    page.get_by_role("dialog").get_by_role("button", name="Cancel plan").click()
    expect_plan(page, "Standard", "Ends on")
    assert_clean(page, "billing of a plan that ends")


def test_pages_of_a_customer_whose_payment_failed(page, portal):
    sign_in(page.context, portal.url, seed(portal.database_url, unpaid))
    for address in SIGNED_IN:
        page.goto(f"{portal.url}{address}")
        expect(page.get_by_text("Your last payment failed")).to_be_visible()
        assert_clean(page, f"{address} with a failed payment")


def test_settings_of_a_suspended_customer_and_their_dialogs(page, portal):
    sign_in(page.context, portal.url, seed(portal.database_url, suspended))
    page.goto(f"{portal.url}/settings/")
    expect(page.get_by_text("Your account is suspended")).to_be_visible()
    page.get_by_label("Company").fill("a\u200bb")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It holds a character that cannot be shown.")).to_be_visible()
    assert_clean(page, "settings with an error")
    for name in ("Sign out all others", "Sign out everywhere"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert_clean(page, f"the dialog of {name}")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def assert_clean_page(page, heading):
    """The page with this heading is there, and clean."""
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert_clean(page, heading)


def ask_for_link(page, portal, email):
    page.goto(f"{portal.url}/sign-in/")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send the link").click()


def test_pages_of_asking_for_a_link(page, portal):
    # the address passes the browser's own check, and not ours
    ask_for_link(page, portal, "a.@example.com")
    expect(page.get_by_label("Email")).to_have_attribute("aria-invalid", "true")
    assert_clean_page(page, "Sign in")
    address = f"ada-{next(_numbers)}@example.com"  # each mailbox gets a link in 30 seconds
    ask_for_link(page, portal, address)
    assert_clean_page(page, "Check your inbox")
    ask_for_link(page, portal, address)
    assert_clean_page(page, "Too many links were asked for")
    wait_for_mail(portal)
    page.goto(f"{portal.url}/dev/mail")
    expect(page.get_by_role("link", name="Open the link").first).to_be_visible()
    assert_clean_page(page, "Mail")


def wait_for_mail(portal):
    deadline = time.monotonic() + MAIL_SECONDS
    while not list_stored(portal.var_dir / "mail"):
        assert time.monotonic() < deadline, "the mail was not written"
        time.sleep(0.05)


def test_pages_behind_a_link(page, portal):
    async def link(session):
        return await make_sign_in_link(session, "ada@example.com")

    confirm = f"{portal.url}/auth/email/confirm?token="
    _, token, browser = seed(portal.database_url, link)
    page.goto(confirm + token)
    assert_clean_page(page, "Did you ask for this link?")
    cookie = {"name": "latchkey_browser", "value": browser, "url": portal.url}
    page.context.add_cookies([cookie])
    page.goto(confirm + token)
    assert_clean_page(page, "Sign in as ada@example.com")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.goto(confirm + token)
    assert_clean_page(page, "This link no longer works")


def test_pages_for_reporting_a_key(page, portal):
    page.goto(f"{portal.url}/report-key")
    assert_clean_page(page, "Report an exposed key")
    page.get_by_label("The key").fill(" ")
    page.get_by_role("button", name="Report the key").click()
    assert_clean_page(page, "Report an exposed key")
    page.get_by_label("The key").fill("lk_live_x")
    page.get_by_role("button", name="Report the key").click()
    assert_clean_page(page, "Thank you")


def test_pages_of_what_is_refused(page, portal):
    page.goto(f"{portal.url}/auth/no-such-page")
    assert_clean_page(page, "There is no page here")
    page.goto(f"{portal.url}/auth/email/confirm?token={'x' * 300}")
    assert_clean_page(page, "Invalid request")
    # a form of no page of ours: its Origin is "null"
    page.goto("about:blank")
    page.set_content(f'<form method="post" action="{portal.url}/auth/sign-out"><button>Go</button>')
    page.get_by_role("button", name="Go").click()
    assert_clean_page(page, "Not from this site")
