"""A served sandbox, the `stripe` package as its client, and somebody who takes its webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.sandbox import API_PREFIX, Sandbox, SandboxPrice, make_sandbox
from app.sandbox.server import tick
from tests.api.served import served

API_KEY = "sk_test_sandbox_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
START = 1_795_600_000
"""25 November 2026, 09:46:40 UTC."""

HOUR, DAY = 3_600, 86_400
PRICES = [
    SandboxPrice("price_standard_month", "Standard", 4_900, "usd", "month"),
    SandboxPrice("price_standard_year", "Standard", 49_000, "usd", "year"),
    SandboxPrice("price_enterprise_month", "Enterprise", 49_900, "usd", "month"),
    SandboxPrice("price_enterprise_year", "Enterprise", 499_000, "usd", "year"),
]
WORKS, DECLINED, FAILS_LATER = "4242424242424242", "4000000000000002", "4000000000000341"


class Receiver:
    """Takes webhooks as our server would, and answers what `answers` say, else 200."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: list[int] = []
        self.app = Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.got.append(json.loads(body))
        return Response(status_code=status)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.got]


class Stage:
    """Everything on the stage; `time` is real time as the sandbox is told it."""

    def __init__(self, url: str, receiver: Receiver, sandbox: Sandbox):
        self.url = url
        self.receiver = receiver
        self.sandbox = sandbox
        self.stripe = make_client(url)
        self.pages = httpx.AsyncClient(base_url=url)
        self.time = float(START)

    @property
    def v1(self) -> Any:
        return self.stripe.v1

    async def checkout(self, card: str = WORKS, price: str = PRICES[0].id, **params: Any) -> Any:
        """Buy `price` by the hosted page; the session as the API then shows it."""
        session = await self.open_checkout(price, **params)
        await self.pages.post(f"/sandbox/checkout/{session.id}", data={"card": card})
        return await self.v1.checkout.sessions.retrieve_async(session.id)

    async def open_checkout(self, price: str = PRICES[0].id, **params: Any) -> Any:
        return await self.v1.checkout.sessions.create_async(
            {
                "mode": "subscription",
                "line_items": [{"price": price, "quantity": 1}],
                "success_url": "http://localhost:8000/billing/?checkout={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://localhost:8000/billing/",
                **params,
            }
        )

    async def subscribed(self, price: str = PRICES[0].id, card: str = WORKS) -> Any:
        """A new customer's running subscription."""
        session = await self.checkout(card, price, customer_email="ada@example.com")
        return await self.v1.subscriptions.retrieve_async(session.subscription)

    async def pass_time(self, seconds: float) -> None:
        """Let real time pass: what is due happens."""
        self.time += seconds
        await tick(self.sandbox._config)

    async def move(self, step: str) -> None:
        """Press a button of the clock page."""
        answer = await self.pages.post("/sandbox/clock", data={"step": step})
        assert answer.status_code == 303

    async def told(self) -> list[dict[str, Any]]:
        """All events so far, oldest first."""
        listed = await self.v1.events.list_async({"limit": 100})
        events = [event async for event in listed.auto_paging_iter()]
        return [event.to_dict() for event in reversed(events)]

    async def told_types(self) -> list[str]:
        return [event["type"] for event in await self.told()]


def make_client(url: str, key: str = API_KEY) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": url + API_PREFIX},
        http_client=stripe.HTTPXClient(),
        max_network_retries=0,
    )


@asynccontextmanager
async def on_stage(
    *, is_running: bool = False, prices: list[SandboxPrice] = PRICES
) -> AsyncIterator[Stage]:
    """A sandbox on this test's database; `is_running` is with clock and webhooks by themselves."""
    receiver = Receiver()
    time_of: list[Stage] = []
    async with served(receiver.app) as hooks:
        sandbox = make_sandbox(
            prices=prices,
            public_url="http://localhost:8000",
            api_key=API_KEY,
            webhook_url=f"{hooks}/hook",
            webhook_secret=WEBHOOK_SECRET,
            now=lambda: time_of[0].time if time_of else float(START),
        )
        async with served(sandbox) as url:
            stage = Stage(url, receiver, sandbox)
            time_of.append(stage)
            async with sandbox.running():
                yield stage
            await stage.pages.aclose()


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
