"""localstripe in a process of its own: another server that speaks (some of) Stripe's API."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.portal import free_port

KEY = "sk_test_localstripe"
_SERVER = """
import sys
import tempfile
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


class LocalStripe:
    """Its address, and what it takes to have a customer subscribe without a checkout."""

    def __init__(self, url: str, client: httpx.AsyncClient):
        self.url = url
        self._client = client

    async def post(self, path: str, **data: Any) -> Mapping[str, Any]:
        """One write, as JSON, which it takes as well."""
        answer = await self._client.post(path, json=data)
        answer.raise_for_status()
        found: Mapping[str, Any] = answer.json() if answer.content else {}
        return found

    async def delete(self, path: str) -> None:
        (await self._client.delete(path)).raise_for_status()

    async def tell(self, url: str, secret: str) -> None:
        """Send signed events there from now on."""
        await self.post("/_config/webhooks/latchkey", url=url, secret=secret)

    async def make_plan(self, price_id: str, cents: int) -> None:
        """A plan: the prices of its time."""
        await self.post(
            "/v1/plans", id=price_id, amount=cents, currency="usd", interval="month", name=price_id
        )

    async def subscribe(self, customer_id: str, price_id: str) -> Mapping[str, Any]:
        """Give the customer a card, and subscribe it."""
        card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        method = await self.post("/v1/payment_methods", type="card", card=card)
        await self.post(f"/v1/payment_methods/{method['id']}/attach", customer=customer_id)
        await self.post(
            f"/v1/customers/{customer_id}",
            invoice_settings={"default_payment_method": method["id"]},
        )
        return await self.post(
            "/v1/subscriptions", customer=customer_id, items=[{"plan": price_id}]
        )


@asynccontextmanager
async def running_localstripe() -> AsyncIterator[LocalStripe]:
    """The server, empty, until the block ends."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVER,
        str(port),
        cwd=tempfile.gettempdir(),  # it keeps a copy of what it holds
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False
        ) as client:
            await _wait(client)
            await client.delete("/_config/data")
            yield LocalStripe(url, client)
    finally:
        process.terminate()
        await process.wait()


async def _wait(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get("/v1/customers")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
