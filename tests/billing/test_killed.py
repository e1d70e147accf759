"""`kill -9` between Stripe's answer and our commit: nothing is there, or charged, twice."""

import asyncio
import signal
import sys

import pytest

from app.billing.changes import cancel, change_plan, preview_change
from app.billing.errors import PlanUnchanged
from app.billing.invoices import list_invoices
from app.billing.reconcile import reconcile
from app.sandbox import API_PREFIX
from tests.billing.shop import Shop
from tests.sandbox.stage import API_KEY


async def kill(shop: Shop, database_url: str, step: str, *act: str) -> None:
    """Run the act in a process that dies right after Stripe's answer to this step."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.billing.killed",
        database_url,
        shop.stage.url + API_PREFIX,
        API_KEY,
        shop.user_id,
        step,
        act[0],
        *act[1:],
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL


@pytest.mark.parametrize(
    "step", ["create_customer", "list_subscriptions", "list_checkouts", "create_checkout"]
)
async def test_killed_purchase_makes_one_customer_and_one_page(
    shop: Shop, database_url: str, step: str
) -> None:
    await kill(shop, database_url, step, "buy")
    await kill(shop, database_url, "list_checkouts", "buy")
    await shop.buy()
    await shop.deliver()
    assert len(await shop.at_stripe("customers")) == 1
    assert len(await shop.at_stripe("subscriptions", status="all")) == 1
    assert len(await shop.at_stripe("invoices")) == 1
    assert await shop.tier() == "standard"


async def test_customer_is_found_again_when_the_idempotency_key_has_long_lapsed(
    shop: Shop, database_url: str
) -> None:
    await kill(shop, database_url, "create_customer", "buy")
    await shop.stage.pass_time(25 * 3600)
    await shop.buy()
    assert len(await shop.at_stripe("customers")) == 1


async def test_killed_change_is_charged_once(shop: Shop, database_url: str) -> None:
    await shop.buy()
    await shop.deliver()
    await shop.stage.pass_time(3 * 86_400)
    shown = await preview_change(shop.user_id, "enterprise", "month")
    await kill(shop, database_url, "change_price", "change", str(shown.proration_at))
    assert await shop.tier() == "standard"
    with pytest.raises(PlanUnchanged):  # the person tries again, and is told that it is done
        await change_plan(shop.user_id, "enterprise", "month", proration_at=shown.proration_at)
    assert await shop.tier() == "enterprise"
    charged = [one.amount_cents for one in await list_invoices(shop.user_id)]
    assert charged == [shown.due_now_cents, 4_900]


async def test_killed_change_converges_without_anybody_s_help(
    shop: Shop, database_url: str
) -> None:
    await shop.buy()
    await shop.deliver()
    shown = await preview_change(shop.user_id, "enterprise", "month")
    await kill(shop, database_url, "change_price", "change", str(shown.proration_at))
    report = await reconcile()
    assert list(report.repaired) == [shop.user_id]
    assert await shop.tier() == "enterprise"
    assert (await reconcile()).repaired == {}


async def test_killed_cancelling_is_one(shop: Shop, database_url: str) -> None:
    await shop.buy()
    await shop.deliver()
    await kill(shop, database_url, "set_ending", "cancel")
    assert not (await shop.row()).cancel_at_period_end
    await cancel(shop.user_id)
    assert (await shop.row()).cancel_at_period_end
    await shop.deliver()
    assert await shop.mails() == ["plan_changed", "plan_ending"]
