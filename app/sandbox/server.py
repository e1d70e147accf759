"""The sandbox as an ASGI app: its API, its pages, and the clock and webhooks beside them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.sandbox.acts.due import catch_up
from app.sandbox.api import API_PREFIX, Api
from app.sandbox.books import Now, opened_books, peeking
from app.sandbox.config import Config
from app.sandbox.delivery import Deliveries
from app.sandbox.opening import open_shop
from app.sandbox.pages.routes import page_routes
from app.sandbox.shapes.catalog import SandboxPrice

TICK_SECONDS = 1.0
"""How late webhooks may be that another process made, and what the clock makes due."""

_METHODS = ["GET", "POST", "DELETE"]

logger = logging.getLogger(__name__)


class Sandbox:
    """A server for the part of Stripe's API that Latchkey uses. State is in the database."""

    def __init__(self, config: Config):
        self._config = config
        self._wake = asyncio.Event()
        self._api = Api(config, self._wake.set)
        self._app = Starlette(
            routes=[
                Route(API_PREFIX + "/{path:path}", self._answer, methods=_METHODS),
                *page_routes(config, self._wake.set),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request under `/sandbox/`."""
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Offer the prices, and keep clock and webhooks going until the block ends."""
        async with opened_books(self._config.now, self._config.public_url) as books:
            await open_shop(books, self._config.prices)
        async with httpx.AsyncClient(trust_env=False) as client:
            work = asyncio.create_task(self._work(Deliveries(self._config, client)), name="sandbox")
            try:
                yield
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _answer(self, request: Request) -> Response:
        return await self._api.answer(request)

    async def _work(self, deliveries: Deliveries) -> None:
        """Tick until cancelled; a lost database only delays it."""
        while True:
            self._wake.clear()
            try:
                await tick(self._config)
                while await deliveries.deliver_due():
                    pass
            except Exception:
                logger.exception("The billing sandbox stumbled; it goes on")
            try:
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)
            except TimeoutError:
                continue


async def tick(config: Config) -> None:
    """Let happen what has become due by the sandbox's clock; asks for no lock when nothing has."""
    async with peeking(config.now, config.public_url) as books:
        count = await books.count(
            'clock = :clock AND "dueAt" <= :now', {"clock": "", "now": books.now}
        )
    if count:
        async with opened_books(config.now, config.public_url) as books:
            await catch_up(books)


def make_sandbox(
    *,
    prices: Sequence[SandboxPrice],
    public_url: str,
    api_key: str,
    webhook_url: str,
    webhook_secret: str,
    now: Now = time.time,
) -> Sandbox:
    """A sandbox that sells these prices; enter `running()` for its clock and webhooks.

    Its pages are at `public_url` + `/sandbox/…`. `now` tells real time in Unix seconds.
    """
    return Sandbox(Config(prices, public_url, api_key, webhook_url, webhook_secret, now))
