"""What starts before the first request and is released after the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.api.front import Resource
from app.core import database
from app.core.errors import LatchkeyError
from app.metering.meter import Meter


class ApiAppNotStarted(LatchkeyError):
    """The metered app says that it cannot start; the detail is its own words."""

    status = 503
    code = "api_app_not_started"
    title = "The API app does not start"


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
        try:
            await meter.start()
        except RuntimeError as error:
            raise ApiAppNotStarted(str(error)) from error
        try:
            yield
        finally:
            await meter.stop()

    return lifetime
