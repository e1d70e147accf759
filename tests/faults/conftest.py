"""Servers, keys and an API for the fault tests, and their figures in the summary of every run."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.core import database
from tests.conftest import _new_home
from tests.faults.accounts import make_keys
from tests.faults.afterwards import Report
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Key
from tests.faults.own_server import OwnServer

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def report(pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> Report:
    """Says a figure in the summary, and writes it to the report file, if there is one."""
    lines = pytestconfig.stash.setdefault(_figures, [])

    def say(line: str) -> None:
        lines.append(line)
        record_property("figures", line)

    return say


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_figures, []):
        terminalreporter.write_line(line)


@pytest.fixture
def server() -> Iterator[OwnServer]:
    """A server of the test's own, to be crashed, frozen or filled. `app` is pointed at it."""
    home = _new_home()
    own = OwnServer(home)
    database.point_at(own.url)
    yield own
    database.point_at(None)
    own.stop()
    shutil.rmtree(home)


@pytest.fixture
async def server_keys(server: OwnServer) -> list[Key]:
    """Three live keys and one trial key, on the test's own server."""
    return await make_keys()


@pytest.fixture
async def server_api(server: OwnServer, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    """The API on the test's own server."""
    process = ApiProcess(server.url, tmp_path)
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def keys(database_url: str) -> list[Key]:
    """Three live keys and one trial key, on the run's server."""
    return await make_keys()


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    """The API on a database of the test's own on the run's server; it runs already."""
    process = ApiProcess(database_url, tmp_path)
    await process.start()
    yield process
    await process.kill()
