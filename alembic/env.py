"""How a migration runs: one transaction for all, one runner at a time, no long wait for locks.

`app.core.migrations` hands over its connection; the `alembic` command opens its own.
"""

from sqlalchemy import Connection, text

from alembic import context
from app.core import database, migrations

# Any number will do, as long as every runner asks for the same one.
ONE_AT_A_TIME = 5_248_220_261_123


def run(connection: Connection) -> None:
    """Run the migrations that `context` was asked for."""
    with connection.begin():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})"))
        # Whoever waits for a lock on a busy table makes everybody behind it wait as well.
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {migrations.SCHEMA}"))
        # No metadata: migrations are written by hand, a test compares the classes with them.
        context.configure(connection=connection, version_table_schema=migrations.SCHEMA)
        context.run_migrations()
        if context.get_context().get_current_heads() == ():
            # Back at the beginning: leave nothing behind.
            connection.execute(text(f"DROP TABLE {migrations.SCHEMA}.alembic_version"))
            connection.execute(text(f"DROP SCHEMA {migrations.SCHEMA}"))


if given := context.config.attributes.get("connection"):
    run(given)
else:
    with migrations.connect(database.direct_url()) as own:
        run(own)
