"""The inner app starts and stops with the meter."""

import pytest

from app.metering.asgi import Message, Receive, Scope, Send
from app.metering.lifespan import InnerLifespan
from tests.metering.apps import body, start
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter


class WithLifespan:
    """Notes what happens to it; answers with the state that it made at the start."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await start(send)
            await body(send, scope["state"]["lists"])
            return
        scope["state"]["lists"] = b"loaded"
        for event in ("startup", "shutdown"):
            message = await receive()
            self.events.append(message["type"])
            await send({"type": f"lifespan.{event}.complete"})


async def test_inner_app_starts_and_stops_with_the_meter(
    start_meter: StartMeter, live_key: Key
) -> None:
    inner = WithLifespan()
    meter = await start_meter(inner)
    assert inner.events == ["lifespan.startup"]
    assert (await ask(meter, key=live_key.secret)).body == b"loaded"
    await meter.stop()
    assert inner.events == ["lifespan.startup", "lifespan.shutdown"]


async def test_app_that_cannot_start_stops_the_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no list"})

    with pytest.raises(RuntimeError, match="no list"):
        await InnerLifespan(app).start()


async def test_app_without_lifespan_is_no_worse() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> Message:
        raise NotImplementedError

    lifespan = InnerLifespan(app)  # type: ignore[arg-type]  # it never returns
    await lifespan.start()
    await lifespan.stop()
