"""The outermost ASGI callable: metered calls go to the meter, past every framework."""

import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import LatchkeyError

METERED_PREFIX = "/api/v1/"
METRICS_PATH = "/metrics"
Resource = Callable[[], AbstractAsyncContextManager[None]]


class Front:
    """Sends `/api/v1/…` to `meter`, `/metrics` to `metrics`, everything else to `rest`.

    `resources` are entered before `rest` starts and left after it has stopped, in reverse
    order: the recorder drains after the last request, and before the database goes. One that
    cannot be entered stops the start.
    """

    def __init__(
        self,
        meter: ASGIApp,
        rest: ASGIApp,
        *,
        metrics: ASGIApp | None = None,
        resources: Sequence[Resource] = (),
    ):
        self._meter = meter
        self._rest = rest
        self._metrics = metrics or rest
        self._resources = resources

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and scope["path"].startswith(METERED_PREFIX):
            return self._meter(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._live(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == METRICS_PATH:
            return self._metrics(scope, receive, send)
        return self._rest(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            if (fault := await self._enter(stack)) is not None:
                # a server takes an exception for "has no lifespan", and would serve without
                await send({"type": "lifespan.startup.failed", "message": fault})
                return

            async def send_after_release(message: Message) -> None:
                # a server stops its loop on this message, so everything is released first
                if message["type"] == "lifespan.shutdown.complete":
                    await stack.aclose()
                await send(message)

            await self._rest(scope, receive, send_after_release)

    async def _enter(self, stack: AsyncExitStack) -> str | None:
        """Enter the resources; what is wrong when one cannot be, in words if it is expected."""
        try:
            for resource in self._resources:
                await stack.enter_async_context(resource())
        except LatchkeyError as error:
            return error.detail
        except Exception as error:  # whatever it is, the server must not start
            return "".join(traceback.format_exception(error))
        return None
