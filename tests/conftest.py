"""What every test may ask for: a real PostgreSQL, and a database of its own, migrated."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import database, embedded, migrations
from app.core.embedded_watcher import has_lock_alone

TEMPLATE = "latchkey_template"
EXTERNAL_CANDIDATES = (
    "postgresql://postgres@127.0.0.1:5432/postgres",
    "postgresql://postgres@/postgres?host=/var/run/postgresql",
)
UnitOfWork = Callable[[], AbstractAsyncContextManager[AsyncSession]]

_HOME_PREFIX = "latchkey-tests-"
_figures = pytest.StashKey[list[str]]()
_servers_used = pytest.StashKey[set[str]]()
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_figures] = []
    config.stash[_servers_used] = set()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    used = sorted(config.stash[_servers_used])
    if used:
        terminalreporter.write_line(f"PostgreSQL used: {', '.join(used)}")
    for line in config.stash[_figures]:
        terminalreporter.write_line(line)


@pytest.fixture
def report(
    pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> Callable[[str], None]:
    """Says a figure in the summary, and writes it to the report file, if there is one."""
    lines = pytestconfig.stash[_figures]

    def say(line: str) -> None:
        lines.append(line)
        record_property("figures", line)

    return say


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[str]:
    """URL (database `postgres`) of this run's embedded server, with a migrated template."""
    home = _new_home()
    embedded.start(home)
    url = embedded.url(home, "postgres")
    _note_server(pytestconfig, url, "embedded")
    with psycopg.connect(url, autocommit=True) as admin:
        # What a power cut would cost a test run is nothing.
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE {embedded.DATABASE}")
    migrations.upgrade(with_database(url, TEMPLATE))
    yield url
    embedded.stop(home)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def external_postgres(pytestconfig: pytest.Config) -> str:
    """URL of a PostgreSQL ≥ 15 that is not ours; skips, and the summary says so, where none is.

    TEST_DATABASE_URL names it; it must be allowed to create databases.
    """
    named = os.environ.get("TEST_DATABASE_URL")
    for url in [named] if named else EXTERNAL_CANDIDATES:
        try:
            _note_server(pytestconfig, url, "external")
        except (psycopg.OperationalError, database.UnsupportedDatabase):
            continue
        return url
    if named:
        pytest.fail("no PostgreSQL ≥ 15 answers at TEST_DATABASE_URL")
    pytestconfig.stash[_servers_used].add("no external server found")
    pytest.skip("no external PostgreSQL ≥ 15 answers; TEST_DATABASE_URL can name one")


@pytest.fixture(scope="session", params=["embedded", "external"])
def any_postgres(request: pytest.FixtureRequest) -> str:
    """URL of the embedded server, then of the external one: the test runs on both."""
    name = {"embedded": "postgres", "external": "external_postgres"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture
def empty_database(any_postgres: str) -> Iterator[str]:
    """URL of a new, empty database, on each server that there is."""
    with new_database(any_postgres, "template0") as url:
        yield url


@pytest.fixture
def external_database_url(external_postgres: str) -> Iterator[str]:
    """URL of a new, migrated database on a server that is not ours."""
    with new_database(external_postgres, "template0") as url:
        migrations.upgrade(url)
        yield url


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """URL of a new, migrated database that is this test's alone. `app` is pointed at it."""
    with new_database(postgres, TEMPLATE) as url:
        database.point_at(url)
        yield url
        database.point_at(None)


@pytest.fixture
async def unit_of_work(database_url: str) -> AsyncIterator[UnitOfWork]:
    """`app.core.database.unit_of_work`, on this test's database."""
    yield database.unit_of_work
    await database.dispose()


def with_database(url: str, name: str) -> str:
    """The same server's URL for another of its databases."""
    before, _, options = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")


@contextmanager
def new_database(server: str, template: str) -> Iterator[str]:
    """The URL of a new database, made from `template`; dropped at the end."""
    name = f"latchkey_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as admin:
        # Of our own server's files, which are mostly in memory, a plain copy is the quickest.
        strategy = "file_copy" if template == TEMPLATE else "wal_log"
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")
    try:
        yield with_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _new_home() -> Path:
    """A directory for the run's server, in memory where there is plenty: five times as fast.

    What killed runs left there is removed.
    """
    memory, disk = Path("/dev/shm"), Path(tempfile.gettempdir())
    plenty = memory.is_dir() and shutil.disk_usage(memory).free > 2 * 1024**3
    root = memory if plenty else disk
    for left_over in root.glob(f"{_HOME_PREFIX}*/users.lock"):
        lock = os.open(left_over, os.O_RDWR)
        if has_lock_alone(lock):
            shutil.rmtree(left_over.parent)
        os.close(lock)
    return Path(tempfile.mkdtemp(prefix=_HOME_PREFIX, dir=root))


def _note_server(config: pytest.Config, url: str, kind: str) -> None:
    with psycopg.connect(url, connect_timeout=3) as connection:
        version = database.supported_version(connection.info.server_version)
    config.stash[_servers_used].add(f"{version} ({kind})")
