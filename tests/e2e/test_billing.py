"""Buying, changing, failing to pay and ending a plan in a real browser, with the sandbox."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from app.integrations.mail import list_stored
from app.ui.figures import MINUS
from tests.e2e.billing_pages import (
    DECLINED,
    EVENT_MS,
    FAILS_LATER,
    buy,
    choose,
    expect_plan,
    go_to_payment,
    move_clock,
    open_billing,
    pay,
    plan_card,
)
from tests.e2e.calls import ask_usage, units_limit
from tests.e2e.people import seed, sign_in, with_one_key
from tests.factories import make_key, make_session, make_user
from tests.portal import Portal

MAIL_SECONDS = 20


@pytest.fixture
def customer(page: Page, portal: Portal) -> str:
    """The browser's customer, on the free plan; their key."""

    async def make(session):
        user = await make_user(session)
        _, secret = await make_key(session, user, label="production")
        return (await make_session(session, user))[1], secret

    token, secret = seed(portal.database_url, make)
    sign_in(page.context, portal.url, token)
    return secret


def sign_up_from(page: Page, portal: Portal, address: str) -> None:
    """Fill the sign-up form, open the mailed link, confirm."""
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    page.goto(mailed_link(portal, address))
    page.get_by_role("button", name="Sign in").click()


def mailed_link(portal: Portal, address: str) -> str:
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for mail in list_stored(portal.var_dir / "mail"):
            if mail.to == address:
                return mail.link
        time.sleep(0.05)
    raise AssertionError(f"no mail to {address} within {MAIL_SECONDS} s")


def test_stranger_chooses_a_plan_signs_up_and_pays(page: Page, portal: Portal):
    page.goto(f"{portal.url}/pricing/")
    page.get_by_text("Yearly").click()
    page.get_by_role("link", name="Choose Standard").click()
    sign_up_from(page, portal, "ada@example.com")
    dialog = page.get_by_role("dialog", name="Choose Standard")
    expect(dialog).to_contain_text("$490 a year")
    go_to_payment(page)
    pay(page)
    expect(page.get_by_text("Paid. You are on Standard now.")).to_be_visible(timeout=EVENT_MS)
    expect(page).to_have_url(f"{portal.url}/billing/")
    expect_plan(page, "Standard", "$490 a year", "Renews on")
    # the page begins with the yearly prices of a customer who pays by the year
    expect(page.get_by_text("saves $98")).to_be_visible()
    page.reload()
    expect_plan(page, "Standard", "Active")
    expect(page.get_by_text("Paid. You are on")).to_be_hidden()
    page.goto(f"{portal.url}/pricing/")
    page.get_by_text("Yearly").click()
    expect(page.get_by_role("link", name="Your plan")).to_be_visible()


def test_from_free_to_standard_to_enterprise_to_canceled_and_resumed(
    page: Page, portal: Portal, customer: str
):
    buy(page, portal, "Standard")
    expect_plan(page, "Standard", "Active", "of 50,000 units used")
    assert units_limit(portal, customer) == 50_000

    dialog = choose(page, "Enterprise")
    expect(dialog.get_by_text("Due now")).to_be_visible()
    expect(dialog).to_contain_text(re.compile(MINUS + r"\$4[89]\.\d\d"))
    dialog.get_by_role("button", name=re.compile(r"Pay \$4[45]\d\.\d\d and change")).click()
    expect(page.get_by_text("You are on Enterprise now, for $499 a month.")).to_be_visible()
    expect_plan(page, "Enterprise", "Active", "of 1,000,000 units used")
    assert units_limit(portal, customer) == 1_000_000
    invoices = page.get_by_role("table", name="Your invoices").get_by_role("row")
    expect(invoices).to_have_count(3)

    page.get_by_role("button", name="Cancel plan").click()
    dialog = page.get_by_role("dialog", name="Cancel Enterprise")
    expect(dialog.get_by_role("button", name="Keep plan")).to_be_focused()
    dialog.get_by_role("button", name="Cancel plan").click()
    expect_plan(page, "Enterprise", "Ends on")
    assert units_limit(portal, customer) == 1_000_000
    page.get_by_role("button", name="Resume plan").click()
    expect_plan(page, "Enterprise", "Renews on")


def test_canceled_plan_is_free_once_its_period_is_over(page: Page, portal: Portal, customer: str):
    buy(page, portal, "Standard")
    page.get_by_role("button", name="Cancel plan").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel plan").click()
    expect_plan(page, "Standard", "Ends on")
    move_clock(page, portal, "month")
    open_billing(page, portal)
    expect_plan(page, "Free", "of 1,000 units used")
    assert units_limit(portal, customer) == 1_000


def test_declined_card_buys_nothing_and_another_one_does(page: Page, portal: Portal, customer: str):
    open_billing(page, portal)
    choose(page, "Standard")
    go_to_payment(page)
    pay(page, DECLINED)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    page.get_by_role("link", name="Back").click()
    expect_plan(page, "Free")
    assert units_limit(portal, customer) == 1_000
    buy(page, portal, "Standard")


def test_card_that_fails_at_the_renewal_is_told_everywhere_until_it_is_paid(
    page: Page, portal: Portal, customer: str
):
    buy(page, portal, "Standard", FAILS_LATER)
    dialog = choose(page, "Enterprise")
    dialog.get_by_role("button", name=re.compile("and change$")).click()
    expect(dialog.get_by_role("alert")).to_contain_text("declined, and nothing was changed")
    expect(dialog.get_by_role("button", name="Try again")).to_be_visible()
    move_clock(page, portal, "month")
    open_billing(page, portal)
    alert = page.get_by_text(re.compile(r"Your last payment failed.* works until \d+ \w+ \d{4};"))
    expect(alert).to_be_visible(timeout=EVENT_MS)
    expect_plan(page, "Standard", "Payment failed")
    assert units_limit(portal, customer) == 50_000
    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    expect(alert).to_be_visible()
    expect(page.get_by_role("link", name="Go to Billing")).to_be_visible()
    # the tries after 3, 5 and 7 more days fail as well
    for _ in range(3):
        move_clock(page, portal, "week")
    open_billing(page, portal)
    refused = page.get_by_text("calls with your keys are refused until it is paid")
    expect(refused).to_be_visible(timeout=EVENT_MS)
    assert ask_usage(portal, customer)["code"] == "payment_required"
    page.get_by_role("link", name="Pay now").click()
    pay(page)
    expect(page.get_by_role("button", name=re.compile("^Pay "))).to_be_hidden()
    open_billing(page, portal)
    expect_plan(page, "Standard", "Active", "Renews on")
    expect(refused).to_be_hidden()
    assert units_limit(portal, customer) == 50_000


def test_two_tabs_buy_one_plan(page: Page, portal: Portal, customer: str):
    open_billing(page, portal)
    other = page.context.new_page()
    open_billing(other, portal)
    choose(other, "Standard")
    late = page.context.new_page()
    open_billing(late, portal)
    choose(late, "Enterprise")
    choose(page, "Standard")
    go_to_payment(page)
    go_to_payment(other)
    pay(page)
    expect(page.get_by_text("Paid. You are on Standard now.")).to_be_visible(timeout=EVENT_MS)
    pay(other)
    expect(other.get_by_role("heading", name="This is paid already")).to_be_visible()
    late.get_by_role("button", name="Continue to payment").click()
    expect(late.get_by_role("alert").filter(has_text="has a plan already")).to_be_visible()
    late.keyboard.press("Escape")
    expect_plan(late, "Standard")
    page.reload()
    expect(page.get_by_role("table", name="Your invoices").get_by_role("row")).to_have_count(2)


def test_page_of_another_customers_checkout_tells_nothing(page: Page, portal: Portal, browser):
    sign_in(page.context, portal.url, seed(portal.database_url, with_one_key))
    open_billing(page, portal)
    choose(page, "Standard")
    go_to_payment(page)
    checkout_id = page.url.rstrip("/").rpartition("/")[2]
    pay(page)
    expect(page.get_by_text("Paid. You are on Standard now.")).to_be_visible(timeout=EVENT_MS)
    with browser.new_context() as context:
        sign_in(context, portal.url, seed(portal.database_url, with_one_key))
        stranger = context.new_page()
        open_billing(stranger, portal, f"?checkout={checkout_id}")
        expect(stranger.get_by_text("There is no such checkout on your account.")).to_be_visible()
        expect(plan_card(stranger)).to_contain_text("Free")
