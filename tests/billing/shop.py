"""The sandbox as Stripe, a customer, and the events between them, delivered as a test likes."""

import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from sqlmodel import col, select

from app.api.webhooks import read_event
from app.billing import event_store
from app.billing.checkout import start_checkout
from app.billing.events import apply_events
from app.billing.prices import list_prices
from app.core.database import unit_of_work
from app.integrations.stripe import Gateway
from app.models import (
    ApiKeyMetadata,
    BillingAccount,
    BillingNotice,
    StripeEvent,
    Subscription,
)
from app.sandbox import API_PREFIX, SandboxPrice
from app.sandbox.delivery import signature
from tests.factories import make_key, make_user
from tests.sandbox.stage import API_KEY, WEBHOOK_SECRET, WORKS, Stage, on_stage

Event = dict[str, Any]


class Shop:
    """A customer with a key, and the sandbox that sells the plans of the plans file."""

    def __init__(self, stage: Stage, user_id: str, key: ApiKeyMetadata, secret: str):
        self.stage = stage
        self.user_id = user_id
        self.key = key
        self.secret = secret
        self._delivered = 0

    async def buy(
        self, tier: str = "standard", interval: str = "month", *, card: str = WORKS, **more: Any
    ) -> str:
        """Go through the checkout, and come back: the session's id. Nothing is delivered yet."""
        session_id = session_of(await start_checkout(self.user_id, tier, interval, **more))
        await self.pay(session_id, card=card)
        return session_id

    async def pay(self, session_id: str, *, card: str = WORKS) -> None:
        """Press the button of the checkout's page."""
        await self.stage.pages.post(f"/sandbox/checkout/{session_id}", data={"card": card})

    async def deliver(self) -> None:
        """Deliver and apply what happened since the last time, in its order."""
        told = await self.stage.told()
        await receive(told[self._delivered :])
        self._delivered = len(told)

    async def row(self) -> Subscription:
        async with unit_of_work() as session:
            statement = select(Subscription).where(Subscription.user_id == self.user_id)
            return (await session.exec(statement)).one()

    async def account(self) -> BillingAccount:
        async with unit_of_work() as session:
            statement = select(BillingAccount).where(BillingAccount.user_id == self.user_id)
            return (await session.exec(statement)).one()

    async def tier(self) -> str:
        """What the key says."""
        async with unit_of_work() as session:
            statement = select(ApiKeyMetadata.tier).where(ApiKeyMetadata.id == self.key.id)
            return (await session.exec(statement)).one()

    async def mails(self) -> Sequence[str]:
        """The kinds of mails so far, oldest first."""
        async with unit_of_work() as session:
            statement = (
                select(BillingNotice.kind)
                .where(BillingNotice.user_id == self.user_id)
                .order_by(col(BillingNotice.created_at))
            )
            return (await session.exec(statement)).all()

    async def at_stripe(self, kind: str, **filters: Any) -> list[dict[str, Any]]:
        """The objects of a kind that Stripe has."""
        found = await getattr(self.stage.v1, kind).list_async({"limit": 100, **filters})
        return [one.to_dict() for one in found.data]


def session_of(url: str) -> str:
    """The checkout session that a page's address is of."""
    return urlsplit(url).path.rpartition("/")[2]


@asynccontextmanager
async def opened_shop(monkeypatch: Any) -> AsyncIterator[Shop]:
    """A shop on this test's database; what asks Stripe asks its sandbox."""
    prices = [
        SandboxPrice(one.id, one.tier.name, one.unit_amount, "usd", one.interval)
        for one in list_prices()
    ]
    async with on_stage(prices=prices) as stage:
        stage.time = time.time()
        use_stripe(monkeypatch, Gateway(API_KEY, base=stage.url + API_PREFIX))
        async with unit_of_work() as session:
            user = await make_user(session)
            key, secret = await make_key(session, user)
        yield Shop(stage, user.id, key, secret)


def use_stripe(monkeypatch: Any, gateway: Any) -> None:
    """Let everything that asks Stripe ask this one."""
    for place in (
        "apply",
        "customers",
        "checkout",
        "changes",
        "portal",
        "invoices",
        "leaving",
    ):
        monkeypatch.setattr(f"app.billing.{place}.get_gateway", lambda: gateway)


def signed(event: Event, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> Any:
    """An event's body and its signature."""
    body = json.dumps(event, default=str)  # the package reads some numbers as Decimal
    return body.encode(), signature(body, secret, int(at or time.time()))


async def keep(event: Event) -> bool:
    """Take in an event as the webhook's route does; whether it is new."""
    async with unit_of_work() as session:
        return await event_store.store(session, read_event(*signed(event), WEBHOOK_SECRET))


async def receive(events: Iterable[Event]) -> None:
    """Take in events and apply them, one after the other."""
    for event in events:
        if await keep(event) and (customer := customer_of(event)):
            await apply_events(customer)


def customer_of(event: Event) -> str | None:
    found = event["data"]["object"]
    customer: str | None = found["id"] if found["object"] == "customer" else found.get("customer")
    return customer


async def states() -> dict[str, int]:
    """How many events there are in each state."""
    async with unit_of_work() as session:
        found = (await session.exec(select(StripeEvent.state))).all()
    return {state: found.count(state) for state in found}
