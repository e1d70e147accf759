"""Real histories of events, delivered in any order, however often, or not at all.

Whatever a customer does at the sandbox makes a history. Delivered in its order, once each, it
gives the rows that must come of every other delivery too: permuted, ten times each, by two
workers at once, and with events dropped and a reconcile at the end.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.billing.events import apply_due, apply_events
from app.billing.reconcile import reconcile
from app.core import database
from app.core.database import unit_of_work
from tests.billing.shop import Event, Shop, customer_of, keep, opened_shop, states
from tests.sandbox.stage import FAILS_LATER, WORKS

TIMES = 10
EXAMPLES = 8

OPTIONS = ["standard_month", "standard_year", "enterprise_month"]
STEPS = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(["day", "week", "month"])),
    st.tuples(st.just("change"), st.sampled_from(OPTIONS)),
    st.tuples(st.just("end"), st.sampled_from(["later", "never", "now"])),
    st.tuples(st.just("buy"), st.sampled_from([WORKS, FAILS_LATER])),
    st.tuples(st.just("pay"), st.just("")),
)

_RESET = """
DELETE FROM latchkey."StripeEvent"; DELETE FROM latchkey."BillingNotice";
UPDATE latchkey."BillingAccount" SET tier = 'free', "unpaidSince" = NULL,
  "unpaidInvoiceId" = NULL, "isOver" = false, "monthAnchor" = NULL,
  "trialGivenAt" = NULL;
UPDATE public."Subscription" SET status = 'incomplete', "stripeSubscriptionId" = NULL,
  "stripePriceId" = NULL, "currentPeriodStart" = NULL, "currentPeriodEnd" = NULL,
  "cancelAtPeriodEnd" = false;
UPDATE public."ApiKeyMetadata" SET tier = 'free';
"""

_FINAL = """
SELECT to_jsonb(bought) - 'updatedAt' - 'createdAt' AS row,
  to_jsonb(billed) - 'acts' - 'leaseHolder' - 'leaseEndsAt' AS account,
  (SELECT array_agg(tier ORDER BY id) FROM public."ApiKeyMetadata" key
   WHERE key."userId" = bought."userId") AS tiers
FROM public."Subscription" bought JOIN latchkey."BillingAccount" billed USING ("userId")
ORDER BY bought.id
"""


class Actor:
    """A customer that goes through steps at the sandbox, wise or not."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def take(self, step: str, how: str) -> None:
        running = await self.shop.at_stripe("subscriptions")
        if step == "move":
            await self.shop.stage.move(how)
        elif step == "buy" and not running:
            await self.shop.buy(card=how)
        elif step == "pay":
            for found in await self.shop.at_stripe("invoices", status="open"):
                await self.shop.stage.pages.post(
                    f"/sandbox/invoices/{found['id']}", data={"card": WORKS}
                )
        elif running:
            await self._alter(step, how, running[0])

    async def _alter(self, step: str, how: str, bought: dict[str, Any]) -> None:
        subscriptions = self.shop.stage.v1.subscriptions
        if step == "end" and how == "now":
            await subscriptions.cancel_async(bought["id"])
        elif step == "end":
            await subscriptions.update_async(bought["id"], {"cancel_at_period_end": how == "later"})
        elif step == "change":
            item = bought["items"]["data"][0]["id"]
            await subscriptions.update_async(
                bought["id"], {"items": [{"id": item, "price": f"sandbox_price_{how}"}]}
            )


async def run_sql(statements: str) -> list[Any]:
    async with unit_of_work() as session:
        found: list[Any] = []
        for statement in filter(str.strip, statements.split(";")):
            result = await (await session.connection()).execute(text(statement))
            found = [tuple(row) for row in result] if result.returns_rows else []
        return found


async def final(user_id: str) -> tuple[list[Any], Counter[tuple[str, str]]]:
    """The rows as they are at the end, and the mails."""
    mails = await run_sql('SELECT kind, occasion FROM latchkey."BillingNotice"')
    return await run_sql(_FINAL), Counter((kind, occasion) for kind, occasion in mails)


async def deliver(events: list[Event]) -> None:
    """One worker: takes in each event and applies what waits of its customer."""
    for event in events:
        await keep(event)
        if customer := customer_of(event):
            await apply_events(customer)


async def deliver_by_two(events: list[Event]) -> None:
    await asyncio.gather(deliver(events[::2]), deliver(events[1::2]))


async def example(shop: Shop, steps: list[tuple[str, str]], chance: random.Random) -> None:
    actor = Actor(shop)
    begun = len(await shop.stage.told())
    await run_sql(_RESET)
    for step, how in [("buy", WORKS), *steps]:
        await actor.take(step, how)
    history = (await shop.stage.told())[begun:]
    note(f"{len(history)} events")

    await run_sql(_RESET)
    await deliver(history)
    expected = await final(shop.user_id)

    await run_sql(_RESET)
    often = history * TIMES
    chance.shuffle(often)
    await deliver_by_two(often)
    await apply_due()
    assert await final(shop.user_id) == expected
    assert "pending" not in await states()

    await run_sql(_RESET)
    some = [event for event in history if chance.random() < 0.5]
    chance.shuffle(some)
    await deliver_by_two(some)
    await reconcile()
    assert await final(shop.user_id) == expected
    assert set(expected[1].values()) <= {1}
    _seen.update(events=len(history), deliveries=len(often) + len(some) + len(history), runs=1)
    # the next example's customer begins anew
    for one in await shop.at_stripe("subscriptions"):
        await shop.stage.v1.subscriptions.cancel_async(one["id"])


_seen: Counter[str] = Counter()


def test_every_delivery_of_a_history_ends_alike(
    database_url: str, monkeypatch: pytest.MonkeyPatch, report: Callable[[str], None]
) -> None:
    _seen.clear()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        shop = runner.run(stack.enter_async_context(opened_shop(monkeypatch)))

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(STEPS, min_size=1, max_size=6), st.randoms(use_true_random=False))
        def holds(steps: list[tuple[str, str]], chance: random.Random) -> None:
            runner.run(example(shop, steps, chance))

        try:
            holds()
        finally:
            runner.run(stack.aclose())
            runner.run(database.dispose())
    report(
        f"{_seen['runs']} histories, {_seen['events']} events, {_seen['deliveries']} deliveries: "
        "rows and mails alike each time"
    )


async def test_events_between_the_steps_end_as_those_after_them(shop: Shop) -> None:
    """Applied while things happen, the rows at the end are the same, and no mail comes twice."""
    chance = random.Random(20261125)
    actor = Actor(shop)
    late: list[Event] = []
    known = 0
    steps = [
        ("buy", WORKS), ("change", "enterprise_month"), ("end", "later"), ("end", "never"),
        ("move", "month"), ("change", "standard_year"), ("end", "now"), ("buy", FAILS_LATER),
        ("move", "month"), ("move", "week"), ("pay", ""),
    ]  # fmt: skip
    for step, how in steps:
        await actor.take(step, how)
        told = await shop.stage.told()
        late += told[known:]
        known = len(told)
        chance.shuffle(late)
        await deliver_by_two(late[: len(late) // 2])
        del late[: len(late) // 2]
    await deliver_by_two(late)
    rows, mails = await final(shop.user_id)
    assert set(mails.values()) == {1}
    await run_sql(_RESET)
    await deliver(await shop.stage.told())
    assert (await final(shop.user_id))[0] == rows
