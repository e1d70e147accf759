"""What the tests of `Idempotency-Key` share."""

import asyncio

from app.metering.asgi import Receive, Scope, Send
from tests.metering.apps import App, body, start
from tests.metering.client import Reply
from tests.metering.conftest import Tables

OURS = {"ratelimit", "x-quota-remaining", "x-request-id", "x-units"}


def keyed(key: str = "order-1", *others: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Idempotency-Key", key), *others]


def counting() -> App:
    """Answers how many calls there have been, with some headers."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"content_type": "text/plain", "x_own": "ü", "date": "then", "set_cookie": "a=b"}
        await start(send, 201, **headers)
        await body(send, b"work %d" % app.calls)

    app = App(serve)
    return app


class Gate(App):
    """Works until it may go on, each call."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.status = 200
        self.working = asyncio.Event()
        self.go_on = asyncio.Event()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.working.set()
        await self.go_on.wait()
        await start(send, self.status)
        await body(send, b"done")


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["code"]


async def records(tables: Tables) -> list[tuple[bool, bool]]:
    """Of each record, whether it is done and whether an answer is kept."""
    rows = await tables.execute(
        'SELECT "isDone", answer IS NOT NULL AS kept FROM latchkey."IdempotencyRecord"'
    )
    return [(row["isDone"], row["kept"]) for row in rows]


async def lapse(tables: Tables) -> None:
    """As if the time of every record were over."""
    await tables.execute(
        'UPDATE latchkey."IdempotencyRecord" SET "expiresAt" = now() AT TIME ZONE \'UTC\''
    )
