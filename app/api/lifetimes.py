"""What starts before the first request and is released after the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.api.front import Resource
from app.core import database
from app.metering.meter import Meter


@asynccontextmanager
async def released_database() -> AsyncIterator[None]:
    """Close this process's connections at the end."""
    try:
        yield
    finally:
        await database.dispose()


def running(meter: Meter) -> Resource:
    """The meter, started; at the end it drains what it has accepted."""

    @asynccontextmanager
    async def lifetime() -> AsyncIterator[None]:
        await meter.start()
        try:
            yield
        finally:
            await meter.stop()

    return lifetime
