"""The hosted pages: what they show, do and refuse, without any script."""

import re
from typing import Any

import httpx
import pytest

from tests.sandbox.stage import DAY, DECLINED, FAILS_LATER, HOUR, WORKS, Stage


async def portal_of(stage: Stage, customer: str) -> str:
    session = await stage.v1.billing_portal.sessions.create_async(
        {"customer": customer, "return_url": "http://localhost:8000/billing/"}
    )
    assert session.url == f"http://localhost:8000/sandbox/portal/{session.id}"
    return f"/sandbox/portal/{session.id}"


async def overdue(stage: Stage) -> tuple[Any, Any]:
    """A subscription whose renewal failed, and the open invoice."""
    subscription = await stage.subscribed(card=FAILS_LATER)
    await stage.move("month")
    [invoice, _] = (await stage.v1.invoices.list_async()).data
    assert invoice.status == "open"
    return subscription, invoice


def is_marked(page: httpx.Response) -> bool:
    return "Sandbox:</strong> no money moves" in page.text


async def test_checkout_shows_what_is_bought_and_the_cards(stage: Stage) -> None:
    session = await stage.open_checkout(customer_email="ada@example.com")
    page = await stage.pages.get(f"/sandbox/checkout/{session.id}")
    assert page.status_code == 200
    assert is_marked(page)
    for words in ("Standard", "49.00 USD a month", "ada@example.com", "Pay 49.00 USD"):
        assert words in page.text
    assert 'href="http://localhost:8000/billing/"' in page.text
    assert re.findall(r'name="card" value="(\d+)"', page.text) == [WORKS, DECLINED, FAILS_LATER]


async def test_paying_leads_to_the_success_page_with_the_sessions_id(stage: Stage) -> None:
    session = await stage.open_checkout(customer_email="ada@example.com")
    answer = await stage.pages.post(f"/sandbox/checkout/{session.id}", data={"card": WORKS})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://localhost:8000/billing/?checkout={session.id}"


async def test_declined_card_says_what_to_do_and_another_one_then_pays(stage: Stage) -> None:
    session = await stage.open_checkout(customer_email="ada@example.com")
    where = f"/sandbox/checkout/{session.id}"
    declined = await stage.pages.post(where, data={"card": DECLINED})
    assert declined.status_code == 402
    assert "The card was declined. Choose another one and try again." in declined.text
    assert (await stage.pages.post(where, data={"card": WORKS})).status_code == 303


@pytest.mark.parametrize("data", [{}, {"card": ""}, {"card": "1234"}])
async def test_payment_without_a_card_asks_for_one(stage: Stage, data: dict[str, str]) -> None:
    session = await stage.open_checkout()
    answer = await stage.pages.post(f"/sandbox/checkout/{session.id}", data=data)
    assert answer.status_code == 422
    assert "Choose a card." in answer.text


async def test_paying_twice_subscribes_once(stage: Stage) -> None:
    session = await stage.open_checkout(customer_email="ada@example.com")
    where = f"/sandbox/checkout/{session.id}"
    await stage.pages.post(where, data={"card": WORKS})
    again = await stage.pages.post(where, data={"card": WORKS})
    assert "This is paid already" in again.text
    assert len((await stage.v1.subscriptions.list_async()).data) == 1
    assert f"/billing/?checkout={session.id}" in again.text


async def test_expired_checkout_says_so_and_leads_back(stage: Stage) -> None:
    session = await stage.open_checkout()
    await stage.pass_time(DAY)
    for page in (
        await stage.pages.get(f"/sandbox/checkout/{session.id}"),
        await stage.pages.post(f"/sandbox/checkout/{session.id}", data={"card": WORKS}),
    ):
        assert "This checkout has expired" in page.text
        assert "http://localhost:8000/billing/" in page.text


async def test_trial_checkout_starts_without_payment(stage: Stage) -> None:
    session = await stage.open_checkout(subscription_data={"trial_period_days": 14})
    page = (await stage.pages.get(f"/sandbox/checkout/{session.id}")).text
    assert "Free until" in page
    assert "9 Dec 2026" in page
    assert ">Start<" in page


@pytest.mark.parametrize("path", ["checkout/cs_none", "portal/bps_none", "invoices/in_none"])
async def test_unknown_address_is_a_page_with_a_way_on(stage: Stage, path: str) -> None:
    page = await stage.pages.get(f"/sandbox/{path}")
    assert page.status_code == 404
    assert is_marked(page)
    assert 'href="/billing/"' in page.text


async def test_portal_shows_plan_card_and_invoices(stage: Stage) -> None:
    subscription = await stage.subscribed()
    page = (await stage.pages.get(await portal_of(stage, subscription.customer))).text
    for words in ("ada@example.com", "Standard, active", "25 Dec 2026", "4242", "paid",
                  "Return to Latchkey"):  # fmt: skip
        assert words in page
    assert "Pay now" not in page


async def test_portal_of_a_customer_without_anything_teaches_the_next_step(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({})
    page = (await stage.pages.get(await portal_of(stage, customer.id))).text
    assert "Choose a plan in Latchkey" in page
    assert "There is no card yet" in page


async def test_failed_renewal_is_paid_in_the_portal_after_changing_the_card(stage: Stage) -> None:
    subscription, invoice = await overdue(stage)
    where = await portal_of(stage, subscription.customer)
    assert "payment failed" in (await stage.pages.get(where)).text
    refused = await stage.pages.post(f"{where}/pay", data={"invoice": invoice.id})
    assert refused.status_code == 402
    assert "declined" in refused.text
    declined = await stage.pages.post(f"{where}/card", data={"card": DECLINED})
    assert declined.status_code == 402
    assert (await stage.pages.post(f"{where}/card", data={"card": WORKS})).status_code == 303
    paid = await stage.pages.post(f"{where}/pay", data={"invoice": invoice.id})
    assert paid.status_code == 303
    assert (
        "The invoice is paid"
        in (await stage.pages.get(paid.headers["location"].partition("8000")[2])).text
    )
    now = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert now.status == "active"


async def test_portal_cancels_at_the_periods_end_and_takes_it_back(stage: Stage) -> None:
    subscription = await stage.subscribed()
    where = await portal_of(stage, subscription.customer)
    data = {"subscription": subscription.id}
    await stage.pages.post(f"{where}/cancel", data=data)
    ending = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert (ending.cancel_at_period_end, ending.status) == (True, "active")
    assert "Do not cancel" in (await stage.pages.get(where)).text
    await stage.pages.post(f"{where}/resume", data=data)
    resumed = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert resumed.cancel_at_period_end is False


async def test_portal_reaches_its_own_customer_only(stage: Stage) -> None:
    subscription, invoice = await overdue(stage)
    stranger = await stage.v1.customers.create_async({})
    where = await portal_of(stage, stranger.id)
    for act, data in (
        ("pay", {"invoice": invoice.id}),
        ("cancel", {"subscription": subscription.id}),
    ):
        assert (await stage.pages.post(f"{where}/{act}", data=data)).status_code == 404
    after = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert after.cancel_at_period_end is False


async def test_ended_subscription_cannot_be_cancelled_again(stage: Stage) -> None:
    subscription = await stage.subscribed()
    where = await portal_of(stage, subscription.customer)
    await stage.v1.subscriptions.cancel_async(subscription.id)
    answer = await stage.pages.post(f"{where}/cancel", data={"subscription": subscription.id})
    assert answer.status_code == 409
    assert "It has ended already" in answer.text


async def test_open_invoice_is_paid_on_its_own_page(stage: Stage) -> None:
    subscription, invoice = await overdue(stage)
    where = f"/sandbox/invoices/{invoice.id}"
    assert invoice.hosted_invoice_url == f"http://localhost:8000{where}"
    assert "Pay 49.00 USD" in (await stage.pages.get(where)).text
    declined = await stage.pages.post(where, data={"card": FAILS_LATER})
    assert declined.status_code == 402
    assert (await stage.pages.post(where, data={"card": WORKS})).status_code == 303
    page = (await stage.pages.get(where)).text
    assert "status-paid" in page
    assert "<form" not in page
    again = await stage.pages.post(where, data={"card": WORKS})
    assert again.status_code == 400
    assert (await stage.v1.subscriptions.retrieve_async(subscription.id)).status == "active"


async def test_draft_has_no_page_yet(stage: Stage) -> None:
    await stage.subscribed()
    await stage.pass_time(30 * DAY)
    [draft, _] = (await stage.v1.invoices.list_async()).data
    assert draft.hosted_invoice_url is None
    assert (await stage.pages.get(f"/sandbox/invoices/{draft.id}")).status_code == 404


async def test_invoice_is_a_pdf_with_its_figures(stage: Stage) -> None:
    await stage.subscribed()
    [invoice] = (await stage.v1.invoices.list_async()).data
    answer = await stage.pages.get(f"/sandbox/invoices/{invoice.id}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-1.4")
    assert b"Total: 49.00 USD" in answer.content
    table = int(answer.content.rpartition(b"startxref\n")[2].split()[0])
    assert answer.content[table : table + 4] == b"xref"
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n", answer.content), 1):
        assert answer.content[int(place) :].startswith(b"%d 0 obj" % number)


async def test_clock_tells_what_comes_next_and_what_happened(stage: Stage) -> None:
    empty = (await stage.pages.get("/sandbox/clock")).text
    assert "Buy a plan in Latchkey with a test card" in empty
    await stage.subscribed()
    page = (await stage.pages.get("/sandbox/clock")).text
    assert "A subscription renews" in page
    assert "checkout.session.completed" in page
    assert "ada@example.com" not in page  # whoever reaches the page learns no addresses


async def test_wrong_input_to_the_clock_is_refused_in_words(stage: Stage) -> None:
    wrong = await stage.pages.post("/sandbox/clock", data={"step": "century"})
    assert wrong.status_code == 400
    assert "That did not work" in wrong.text
    lost = await stage.pages.post("/sandbox/clock/resend", data={"delivery": "whd_none"})
    assert lost.status_code == 404


async def test_customers_words_are_escaped(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({"email": "<script>alert(1)</script>"})
    session = await stage.open_checkout(customer=customer.id)
    for where in (f"/sandbox/checkout/{session.id}", await portal_of(stage, customer.id)):
        page = await stage.pages.get(where)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text


async def test_pages_run_nothing_inline_and_may_not_be_framed(stage: Stage) -> None:
    subscription, invoice = await overdue(stage)
    session = await stage.open_checkout()
    for where in (
        "/sandbox/clock",
        f"/sandbox/checkout/{session.id}",
        f"/sandbox/invoices/{invoice.id}",
        await portal_of(stage, subscription.customer),
    ):
        page = await stage.pages.get(where)
        assert page.text.count("<h1>") == page.text.count("<main") == 1
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son[a-z]+\s*=|\sstyle\s*=", page.text)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
    await stage.pass_time(HOUR)
