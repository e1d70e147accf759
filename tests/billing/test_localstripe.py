"""The same services against another server: localstripe, in the shapes of 2017.

It has customers, subscriptions, invoices and signed events. It has no prices (plans are read in
their place), no checkout, no portal and no search.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.billing.changes import cancel, resume
from app.billing.customers import ensure_customer
from app.billing.event_store import store
from app.billing.events import apply_due
from app.billing.invoices import list_invoices
from app.billing.lease import leased
from app.billing.reconcile import reconcile
from app.core.database import unit_of_work as in_database
from app.integrations.stripe import Gateway
from app.integrations.stripe.webhooks import read_event
from app.models import ApiKeyMetadata, StripeEvent, Subscription
from tests.api.served import served
from tests.billing.localstripe import KEY, LocalStripe, running_localstripe
from tests.billing.shop import use_stripe
from tests.factories import make_key, make_user

SECRET = "whsec_localstripe"
STANDARD, ENTERPRISE = "sandbox_price_standard_month", "sandbox_price_enterprise_month"
SECONDS = 15


@pytest.fixture
async def stripe(unit_of_work: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalStripe]:
    async with running_localstripe() as server:
        use_stripe(monkeypatch, Gateway(KEY, base=server.url))
        await server.make_plan(STANDARD, 4_900)
        await server.make_plan(ENTERPRISE, 49_900)
        yield server


@pytest.fixture
async def user_id(unit_of_work: Any) -> str:
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_key(session, user)
    return user.id


async def customer_of(user_id: str) -> str:
    async with leased(user_id) as lease:
        return await ensure_customer(lease)


async def row() -> tuple[Subscription, str]:
    async with in_database() as session:
        found = (await session.exec(select(Subscription))).one()
        return found, (await session.exec(select(ApiKeyMetadata.tier))).one()


async def take(request: Request) -> Response:
    body, signature = await request.body(), request.headers.get("stripe-signature")
    async with in_database() as session:
        await store(session, read_event(body, signature, SECRET))
    return Response()


async def test_customer_is_one(stripe: LocalStripe, user_id: str) -> None:
    ids = await asyncio.gather(*(customer_of(user_id) for _ in range(4)))
    assert len(set(ids)) == 1
    assert (await row())[0].stripe_customer_id == ids[0]


async def test_subscription_and_its_periods_are_read(stripe: LocalStripe, user_id: str) -> None:
    bought = await stripe.subscribe(await customer_of(user_id), STANDARD)
    report = await reconcile()
    found, tier = await row()
    assert list(report.repaired) == [user_id]
    assert (found.status, found.stripe_subscription_id) == ("active", bought["id"])
    assert (found.stripe_price_id, tier) == (STANDARD, "standard")
    assert found.current_period_start is not None
    assert int(found.current_period_start.timestamp()) == bought["current_period_start"]
    [paid] = await list_invoices(user_id)
    assert (paid.amount_cents, paid.currency, paid.status) == (4_900, "usd", "paid")


async def test_plan_changed_by_hand_and_ended_is_followed(
    stripe: LocalStripe, user_id: str
) -> None:
    bought = await stripe.subscribe(await customer_of(user_id), STANDARD)
    await stripe.post(f"/v1/subscriptions/{bought['id']}", items=[{"plan": ENTERPRISE}])
    await reconcile()
    assert (await row())[1] == "enterprise"
    await cancel(user_id)
    assert (await row())[0].cancel_at_period_end
    await resume(user_id)
    assert not (await row())[0].cancel_at_period_end
    await stripe.delete(f"/v1/subscriptions/{bought['id']}")
    await reconcile()
    assert ((await row())[0].status, (await row())[1]) == ("canceled", "enterprise")


async def test_its_signed_events_are_taken_and_applied(stripe: LocalStripe, user_id: str) -> None:
    hook = Starlette(routes=[Route("/webhooks/stripe", take, methods=["POST"])])
    async with served(hook) as url:
        await stripe.tell(f"{url}/webhooks/stripe", SECRET)
        await stripe.subscribe(await customer_of(user_id), STANDARD)
        async with asyncio.timeout(SECONDS):
            while (await row())[1] != "standard":
                await apply_due()
                await asyncio.sleep(0.05)
    async with in_database() as session:
        types = set((await session.exec(select(StripeEvent.type))).all())
    assert "customer.subscription.created" in types
