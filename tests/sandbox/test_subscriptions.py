"""From the checkout to the end, by the very client that Latchkey uses."""

from tests.sandbox.stage import Stage


async def test_checkout_makes_an_active_paid_subscription(stage: Stage) -> None:
    session = await stage.checkout(customer_email="ada@example.com", client_reference_id="u1")
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert session.client_reference_id == "u1"
    subscription = await stage.v1.subscriptions.retrieve_async(
        session.subscription, {"expand": ["latest_invoice", "customer"]}
    )
    assert subscription.status == "active"
    assert subscription.customer.email == "ada@example.com"
    assert subscription.latest_invoice.amount_paid == 4_900
