"""Passing an answer on as it comes, for as long as the client waits for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import LatchkeyError
from app.metering.asgi import Message, Receive, Send
from app.metering.problems import UpstreamTimeout

SOON_SECONDS = 0.002
"""How long the first part of an answer without a length is kept back to see whether it is all.

Many servers send every answer in chunks. One whose end comes with its first part then passes
as a small answer: held and recorded at once, instead of streamed and settled afterwards.
"""

Parts = AsyncGenerator[bytes, None]


class UpstreamCut(Exception):
    """The upstream broke off in the middle of an answer whose beginning has left already."""


@asynccontextmanager
async def while_client_waits(receive: Receive) -> AsyncIterator[None]:
    """Break off what is done inside, quietly, once the client goes away.

    To be entered when the request's body has been received, and left before the last part of
    the answer is sent: a server says "disconnect" after that too.
    """
    task = asyncio.current_task()
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled us at the same time: then that counts.
        if not is_gone or task is None or task.uncancel() > 0:
            raise
    finally:
        watcher.cancel()


async def read_whole(parts: Parts, *, seconds: float) -> bytes:
    """A body that is known to be small. Raises UpstreamTimeout, and what `parts` raises."""
    try:
        async with asyncio.timeout(seconds):
            return b"".join([part async for part in parts])
    except TimeoutError as error:
        raise UpstreamTimeout from error


async def pass_parts_on(start: Message, parts: Parts, send: Send) -> bytes:
    """Send all but the last part, which is returned; it is empty unless all came at once.

    Raises UpstreamCut if the upstream breaks off after the start was sent, before that what
    `parts` raises.
    """
    first = await anext(parts, b"")
    following = asyncio.create_task(_next(parts))
    try:
        await asyncio.wait({following}, timeout=SOON_SECONDS)
        is_all = following.done() and following.result() is None
        await send(start)
        if is_all:
            return first
        await send(_body(first))
        await _pass_rest_on(following, parts, send)
    finally:
        following.cancel()
        await asyncio.wait({following})  # or `parts` could not be closed
    return b""


async def _pass_rest_on(following: asyncio.Task[bytes | None], parts: Parts, send: Send) -> None:
    try:
        part = await following
        while part is not None:
            await send(_body(part))
            part = await _next(parts)
    except LatchkeyError as error:
        raise UpstreamCut from error


async def _next(parts: Parts) -> bytes | None:
    return await anext(parts, None)


def _body(part: bytes) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": True}
