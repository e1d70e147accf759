"""The database: which one, its engine, and the unit of work.

Works on any PostgreSQL from 15 on, also behind a transaction pooler: nothing here sets
anything on a session or prepares a statement. What a pooler cannot carry (LISTEN, jobs,
migrations) goes to `direct_url()`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import embedded
from app.core.errors import LatchkeyError
from app.core.settings import get_settings

OLDEST_VERSION = 15
_pointed_at: list[str] = []
_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = WeakKeyDictionary()


class UnsupportedDatabase(LatchkeyError):
    """The server is older than what the schema needs."""

    status = 503
    code = "unsupported_database"
    title = "The database is too old"


def point_at(url: str | None) -> None:
    """Use this database instead of the one in the settings; None goes back. For tests.

    An engine that is already made keeps its database: `dispose` it first.
    """
    _pointed_at[:] = [] if url is None else [url]


def database_url() -> str:
    """The libpq URL of the database in use: DATABASE_URL, or the embedded server's.

    Starts the embedded server when it does not run yet, which blocks for about a second.
    """
    if _pointed_at:
        return _pointed_at[0]
    settings = get_settings()
    return settings.database_url or embedded.start(settings.var_dir / "postgres")


def direct_url() -> str:
    """The URL past a pooler, for LISTEN, migrations and jobs: DATABASE_DIRECT_URL, or the same."""
    if _pointed_at:
        return _pointed_at[0]
    return get_settings().database_direct_url or database_url()


def engine() -> AsyncEngine:
    """This process's engine, one for each event loop; made at first use, inside the loop."""
    loop = asyncio.get_running_loop()
    if loop not in _engines:
        _engines[loop] = _new_engine(database_url())
    return _engines[loop]


async def dispose() -> None:
    """Close the running loop's connections. The next use makes a new engine."""
    made = _engines.pop(asyncio.get_running_loop(), None)
    if made is not None:
        await made.dispose()


@asynccontextmanager
async def unit_of_work() -> AsyncIterator[AsyncSession]:
    """One transaction: commits once, at the end; an error rolls it back. Nobody else commits.

    Rows stay readable after the commit. Loading anything more takes another unit of work.
    """
    async with AsyncSession(engine(), expire_on_commit=False) as session:
        yield session
        await session.commit()


async def check_server() -> str:
    """The server's version, like "18.4". Raises UnsupportedDatabase when it is too old."""
    async with engine().connect() as connection:
        number = await connection.scalar(text("SELECT current_setting('server_version_num')::int"))
    return supported_version(number or 0)


def supported_version(number: int) -> str:
    """`server_version_num` in words, like "18.4". Raises UnsupportedDatabase when too old."""
    major, minor = divmod(number, 10_000)
    if major < OLDEST_VERSION:
        raise UnsupportedDatabase(
            f"The server is PostgreSQL {major}.{minor}. Latchkey needs {OLDEST_VERSION} or newer: "
            "upgrade it, or set DATABASE_URL to another server."
        )
    return f"{major}.{minor}"


def _new_engine(url: str) -> AsyncEngine:
    async def connect() -> psycopg.AsyncConnection:
        # libpq reads the URL itself, so that everything it understands works.
        return await psycopg.AsyncConnection.connect(url, prepare_threshold=None)

    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=connect,
        # A lookup for an extension that we do not use, on each new connection.
        use_native_hstore=False,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
    )
