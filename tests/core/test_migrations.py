"""Migrating up, down and up again, on every server that there is."""

import hashlib
import subprocess
import sys
import threading

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from app.core import database, migrations
from app.core.settings import ROOT

OBJECTS = """
    WITH schemas AS (
        SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'
    )
    SELECT nspname FROM schemas
    UNION ALL SELECT class.oid::regclass::text
    FROM pg_class AS class JOIN schemas ON relnamespace = schemas.oid
    UNION ALL SELECT type.oid::regtype::text
    FROM pg_type AS type JOIN schemas ON typnamespace = schemas.oid
    UNION ALL SELECT proc.oid::regprocedure::text
    FROM pg_proc AS proc JOIN schemas ON pronamespace = schemas.oid
    UNION ALL SELECT unnest(setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY 1
"""


def objects(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(OBJECTS)]


def test_up_down_and_up_again(empty_database: str) -> None:
    before = objects(empty_database)
    migrations.upgrade(empty_database)
    migrated = objects(empty_database)
    migrations.downgrade(empty_database)
    assert objects(empty_database) == before == ["public"]
    migrations.upgrade(empty_database)
    assert objects(empty_database) == migrated


def test_every_step_leads_back(empty_database: str) -> None:
    script = migrations.revisions()
    states = []
    for revision in script:
        states.append(objects(empty_database))
        migrations.upgrade(empty_database, revision)
    for before in reversed(states[1:]):
        migrations.downgrade(empty_database, "-1")
        assert objects(empty_database) == before


def test_current_says_how_far_it_is(empty_database: str) -> None:
    assert migrations.current(empty_database) is None
    assert not migrations.is_current(empty_database)
    migrations.upgrade(empty_database)
    assert migrations.current(empty_database) == migrations.revisions()[-1]
    assert migrations.is_current(empty_database)


def test_migrating_twice_changes_nothing(empty_database: str) -> None:
    migrations.upgrade(empty_database)
    once = objects(empty_database)
    migrations.upgrade(empty_database)
    assert objects(empty_database) == once


def test_nodes_that_start_together_migrate_once(empty_database: str) -> None:
    program = "import sys; from app.core import migrations; migrations.upgrade(sys.argv[1])"
    command = [sys.executable, "-c", program, empty_database]
    nodes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [node.wait(timeout=60) for node in nodes] == [0, 0, 0]
    assert migrations.is_current(empty_database)


def test_failed_migration_changes_nothing(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute('CREATE TABLE "VerificationToken" ()')
    before = objects(empty_database)
    with pytest.raises(Exception, match="already exists"):
        migrations.upgrade(empty_database)
    assert objects(empty_database) == before


def test_migration_waits_for_a_busy_table_without_blocking_it(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.upgrade(empty_database)
    attempts: list[float] = []
    with psycopg.connect(empty_database) as busy:
        busy.execute('SELECT FROM "User"')

        def release(seconds: float) -> None:
            attempts.append(seconds)
            busy.rollback()

        monkeypatch.setattr(migrations, "pause", release)
        migrations.downgrade(empty_database)
    assert len(attempts) == 1
    assert migrations.current(empty_database) is None


def test_the_database_keeps_utc(empty_database: str) -> None:
    migrations.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        settings = connection.execute(
            "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    assert [row[0].lower() for row in settings] == ["timezone=utc"]


def test_migrating_needs_no_superuser_and_no_ownership(empty_database: str) -> None:
    role = f"latchkey_test_{threading.get_native_id()}"
    with psycopg.connect(empty_database, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER")
        try:
            admin.execute(f"GRANT CREATE ON DATABASE {name} TO {role}")
            admin.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
            migrations.upgrade(empty_database.replace("postgres@", f"{role}@", 1))
            migrations.downgrade(empty_database.replace("postgres@", f"{role}@", 1))
        finally:
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


def test_old_server_is_refused_with_its_version() -> None:
    with pytest.raises(database.UnsupportedDatabase, match=r"PostgreSQL 14\.13.*needs 15"):
        database.supported_version(140_013)
    assert database.supported_version(150_000) == "15.0"


def test_the_job_queues_schema_is_the_one_that_was_migrated() -> None:
    digest = hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()
    assert digest == "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009", (
        "procrastinate has another schema now: write a migration from its sql/migrations, "
        "then put the new digest here"
    )
