"""Bringing a database to the schema that this release needs, and asking how far it is.

Blocking functions for the command line; on an event loop use `asyncio.to_thread`. `url` is
a libpq URL that leads past any pooler: `database.direct_url()`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep as pause
from typing import Any

import psycopg
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from alembic import command
from app.core.database import supported_version
from app.core.settings import ROOT

SCHEMA = "latchkey"
_ATTEMPTS = 10
_PAUSE_SECONDS = 1.0


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate up to `revision`; does nothing when the database is there already.

    Runs in one transaction: it succeeds whole or changes nothing. Waits its turn when
    another process migrates, and tries again for a while when tables are in use.
    Raises UnsupportedDatabase when the server is too old.
    """
    _run(url, command.upgrade, revision)


def downgrade(url: str, revision: str = "base") -> None:
    """Migrate down to `revision`. "base" removes all our tables, **and what is in them**."""
    _run(url, command.downgrade, revision)


def current(url: str) -> str | None:
    """The revision that the database is at; None when it has never been migrated."""
    with connect(url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return context.get_current_revision()


def revisions() -> list[str]:
    """All revisions that this release knows, oldest first. It needs the last."""
    steps = ScriptDirectory.from_config(_config()).walk_revisions()
    return [step.revision for step in steps][::-1]


def is_current(url: str) -> bool:
    """Whether the database has the schema that this release needs."""
    return current(url) == revisions()[-1]


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection of its own for schema work, closed at the end. Checks the server's version."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, prepare_threshold=None),
        poolclass=NullPool,
        use_native_hstore=False,
    )
    with engine.connect() as connection:
        number = connection.scalar(text("SELECT current_setting('server_version_num')::int"))
        supported_version(number or 0)
        connection.rollback()
        yield connection


def _config(connection: Connection | None = None) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


def _run(url: str, act: Callable[..., Any], revision: str) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connect(url) as connection:
                act(_config(connection), revision)
        except OperationalError as error:
            if attempt == _ATTEMPTS or not _was_locked_out(error):
                raise
            pause(_PAUSE_SECONDS)
        else:
            return


def _was_locked_out(error: OperationalError) -> bool:
    return isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
