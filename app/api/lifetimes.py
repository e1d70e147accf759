"""What starts before the first request and is released after the last one."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from app.api.front import Resource
from app.core import database
from app.core.errors import LatchkeyError
from app.metering import partitions
from app.metering.meter import Meter

logger = logging.getLogger(__name__)


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


@asynccontextmanager
async def months_ahead() -> AsyncIterator[None]:
    """Make the call tables' coming months; a node must not depend on a worker for them."""
    try:
        await partitions.make_months(database.direct_url())
    except psycopg.Error as error:
        # nothing is lost: the range after the last month takes every id
        logger.warning("The months of the call log could not be made ahead: %s", error)
    yield


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


@asynccontextmanager
async def settled_memory() -> AsyncIterator[None]:
    """Take what has been loaded so far for permanent; to be entered last.

    Looking through it again and again for garbage cost 4 µs of each call, and pauses of tens of
    milliseconds beside the portal. What calls leave behind is gone without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    yield
