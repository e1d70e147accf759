"""What a customer does on the billing page and on the sandbox's pages that stand for Stripe's."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.portal import Portal

WORKS, DECLINED, FAILS_LATER = "4242 4242 4242 4242", "4000 0000 0000 0002", "4000 0000 0000 0341"
EVENT_MS = 15_000
"""How long a webhook, its job and the page's next look may take together."""


def open_billing(page: Page, portal: Portal, query: str = "") -> None:
    page.goto(f"{portal.url}/billing/{query}")
    expect(page.get_by_role("heading", name="Billing", exact=True)).to_be_visible()


def plan_card(page: Page) -> Locator:
    return page.get_by_role("region", name="Your plan")


def expect_plan(page: Page, name: str, *words: str) -> None:
    """The card says this plan and these words, once the page has caught up."""
    card = plan_card(page)
    expect(card.get_by_role("heading", name=name)).to_be_visible(timeout=EVENT_MS)
    for one in words:
        expect(card).to_contain_text(one, timeout=EVENT_MS)


def choose(page: Page, plan: str) -> Locator:
    """Press the plan's button; the dialog that it opens."""
    page.get_by_role("button", name=f"Choose {plan}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def go_to_payment(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("heading", name="Subscribe to")).to_be_visible()


def pay(page: Page, card: str = WORKS) -> None:
    """On a page of the sandbox: with this test card."""
    page.get_by_label(card).check()
    page.get_by_role("button", name=re.compile("^(Pay |Start$)")).click()


def buy(page: Page, portal: Portal, plan: str, card: str = WORKS) -> None:
    """From the free plan to a paid one, by the month."""
    open_billing(page, portal)
    choose(page, plan)
    go_to_payment(page)
    pay(page, card)
    expect(page.get_by_text(f"Paid. You are on {plan} now.")).to_be_visible(timeout=EVENT_MS)


def move_clock(page: Page, portal: Portal, step: str) -> None:
    page.goto(f"{portal.url}/sandbox/clock")
    page.get_by_role("button", name=f"1 {step}").click()
    expect(page.get_by_text("(moved on)")).to_be_visible()
