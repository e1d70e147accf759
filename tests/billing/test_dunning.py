"""A card that fails at renewal: days of grace, 402, and everything back once it is paid."""

from datetime import timedelta

from sqlmodel import select

from app.billing.access import get_standing
from app.core.database import unit_of_work
from app.integrations.stripe.objects import invoice
from app.models import BillingNotice
from tests.billing.shop import Shop
from tests.sandbox.stage import FAILS_LATER


async def access_of(shop: Shop) -> str:
    async with unit_of_work() as session:
        return (await get_standing(session, shop.user_id)).access


async def renew(shop: Shop) -> None:
    """Let the month end, and the hour in which the new invoice is a draft."""
    await shop.stage.move("month")
    await shop.stage.move("hour")
    await shop.deliver()


async def fail_until_stripe_gives_up(shop: Shop) -> None:
    """Buy, and let the renewal and each of its retries fail."""
    await shop.buy(card=FAILS_LATER)
    await shop.deliver()
    await renew(shop)
    for _ in range(3):
        await shop.stage.move("week")
        await shop.deliver()


async def pay(shop: Shop) -> None:
    """Pay what is open with a card that works, as the hosted invoice page does."""
    for found in await shop.at_stripe("invoices", status="open"):
        await shop.stage.pages.post(
            f"/sandbox/invoices/{found['id']}", data={"card": "4242424242424242"}
        )
    await shop.deliver()


async def test_failed_renewal_gives_seven_days_and_a_mail(shop: Shop) -> None:
    await shop.buy(card=FAILS_LATER)
    await shop.deliver()
    await renew(shop)
    [waiting] = await shop.at_stripe("invoices", status="open")
    assert (await shop.row()).status == "past_due"
    assert await access_of(shop) == "grace"
    assert await shop.tier() == "standard"
    account = await shop.account()
    assert account.unpaid_since == invoice(waiting).created_at
    assert account.unpaid_invoice_id == waiting["id"]
    async with unit_of_work() as session:
        statement = select(BillingNotice).where(BillingNotice.kind == "payment_failed")
        notice = (await session.exec(statement)).one()
    ends = account.unpaid_since + timedelta(days=7)
    assert notice.details == {"plan": "Standard", "until": f"{ends:%Y-%m-%d}"}


async def test_plan_is_blocked_when_stripe_gives_up_and_back_when_it_is_paid(shop: Shop) -> None:
    await fail_until_stripe_gives_up(shop)
    assert (await shop.row()).status == "unpaid"
    assert await access_of(shop) == "blocked"
    await pay(shop)
    assert ((await shop.row()).status, await access_of(shop)) == ("active", "plan")
    assert await shop.tier() == "standard"
    assert (await shop.account()).unpaid_since is None
    assert await shop.mails() == ["plan_changed", "payment_failed", "payment_recovered"]


async def test_renewal_that_works_says_nothing(shop: Shop) -> None:
    await shop.buy()
    await shop.deliver()
    before = await shop.row()
    await renew(shop)
    after = await shop.row()
    assert before.current_period_end is not None
    assert after.current_period_end is not None
    assert after.current_period_end - before.current_period_end > timedelta(days=27)
    assert await shop.mails() == ["plan_changed"]


async def test_plan_that_stripe_ended_for_want_of_money_is_over_at_once(shop: Shop) -> None:
    await shop.stage.pages.post("/sandbox/clock/options", data={"after_last_retry": "canceled"})
    await fail_until_stripe_gives_up(shop)
    assert (await shop.row()).status == "canceled"
    assert (await access_of(shop), await shop.tier()) == ("free", "free")
