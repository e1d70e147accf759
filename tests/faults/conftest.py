"""Servers, keys and an API for the fault tests."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.accounts import make_keys
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Key
from tests.faults.own_server import OwnServer, own_server

StartApi = Callable[..., Awaitable[ApiProcess]]


@pytest.fixture
def server() -> Iterator[OwnServer]:
    """A server of the test's own, to be crashed, frozen or filled. `app` is pointed at it."""
    with own_server() as own:
        yield own


@pytest.fixture
async def server_keys(server: OwnServer) -> list[Key]:
    """Three live keys and one trial key, on the test's own server."""
    return await make_keys()


@pytest.fixture
async def start_api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StartApi]:
    """Starts an API, by default on this test's database; it is gone after the test.

    The database is that of the test's own server where the test asks for one.
    """
    own = "server" in request.fixturenames
    url = request.getfixturevalue("server").url if own else request.getfixturevalue("database_url")
    async with AsyncExitStack() as stack:

        async def start(database_url: str = url, **options: Any) -> ApiProcess:
            process = ApiProcess(database_url, tmp_path, **options)
            stack.push_async_callback(process.kill)
            await process.start()
            return process

        yield start


@pytest.fixture
async def keys(database_url: str) -> list[Key]:
    """Three live keys and one trial key, on the run's server."""
    return await make_keys()


@pytest.fixture
async def api(start_api: StartApi) -> ApiProcess:
    """The API, running, with no limit that a test would meet."""
    return await start_api()
