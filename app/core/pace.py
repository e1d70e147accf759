"""Answers whose time says nothing of what was found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def paced(seconds: float) -> AsyncIterator[None]:
    """Let the block take `seconds`, or a whole multiple where its work takes longer.

    A block that fails ends at once.
    """
    loop = asyncio.get_running_loop()
    begun_at = loop.time()
    yield
    await asyncio.sleep(seconds - (loop.time() - begun_at) % seconds)
