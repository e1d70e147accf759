"""Jobs are queued inside any transaction, from any connection, and a worker gets them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import procrastinate
import psycopg
import pytest

from app.core import migrations
from tests.conftest import new_database


@pytest.fixture
def queue(any_postgres: str) -> Iterator[str]:
    """URL of a migrated database, on each server that there is."""
    with new_database(any_postgres, "template0") as url:
        migrations.upgrade(url)
        yield url


def jobs(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT id, task_name, args, queue_name, lock, queueing_lock, scheduled_at, "
            "status::text FROM latchkey.procrastinate_jobs ORDER BY id"
        ).fetchall()


def defer(connection: psycopg.Connection, arguments: str) -> int | None:
    row = connection.execute(f"SELECT latchkey.defer_job({arguments})").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


@pytest.mark.parametrize("path", ["", "public", "latchkey,public"])
def test_job_is_queued_whatever_the_sessions_path(queue: str, path: str) -> None:
    with psycopg.connect(queue) as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
        job = defer(connection, """'mail', '{"id": 1}'""")
    assert jobs(queue) == [(job, "mail", {"id": 1}, "default", None, None, None, "todo")]


def test_job_takes_queue_locks_and_time(queue: str) -> None:
    with psycopg.connect(queue) as connection:
        job = defer(connection, "'mail', '{}', 'slow', 'l', 'q', '2026-12-01T00:00:00Z'")
    at = datetime(2026, 12, 1, tzinfo=UTC)
    assert jobs(queue) == [(job, "mail", {}, "slow", "l", "q", at, "todo")]


def test_job_goes_with_the_transaction_that_queued_it(queue: str) -> None:
    with psycopg.connect(queue) as connection:
        defer(connection, "'mail', '{}'")
        connection.rollback()
    assert jobs(queue) == []


def test_second_job_with_a_waiting_queueing_lock_is_left_out_without_an_error(queue: str) -> None:
    with psycopg.connect(queue) as connection:
        assert defer(connection, "'mail', '{}', queueing_lock => 'one'") is not None
        assert defer(connection, "'mail', '{}', queueing_lock => 'one'") is None
        assert defer(connection, "'mail', '{}', queueing_lock => 'two'") is not None
    assert [row[5] for row in jobs(queue)] == ["one", "two"]


def test_workers_are_woken_when_the_transaction_commits(queue: str) -> None:
    with (
        psycopg.connect(queue, autocommit=True) as worker,
        psycopg.connect(queue) as connection,
    ):
        worker.execute("LISTEN procrastinate_any_queue_v1")
        job = defer(connection, "'mail', '{}'")
        assert list(worker.notifies(timeout=0)) == []
        connection.commit()
        (notice,) = worker.notifies(timeout=10, stop_after=1)
    assert json.loads(notice.payload) == {"type": "job_inserted", "job_id": job}


async def test_worker_runs_the_job_with_its_arguments(queue: str) -> None:
    connector = procrastinate.PsycopgConnector(
        conninfo=queue, kwargs={"options": "-c search_path=latchkey,public"}
    )
    app = procrastinate.App(connector=connector)
    seen: list[str] = []

    @app.task(name="greet")
    async def greet(name: str) -> None:
        seen.append(name)

    with psycopg.connect(queue) as connection:
        defer(connection, """'greet', '{"name": "Ünal"}'""")
    async with app.open_async():
        await app.run_worker_async(wait=False, install_signal_handlers=False)
    assert seen == ["Ünal"]
    assert [row[7] for row in jobs(queue)] == ["succeeded"]
