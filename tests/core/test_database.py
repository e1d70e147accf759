"""Which database it is, the engine, and the unit of work."""

import asyncio
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import select

from app.core import database, embedded
from app.models import User
from tests.conftest import UnitOfWork
from tests.factories import make_user


async def test_a_unit_of_work_commits_at_its_end(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
    async with unit_of_work() as session:
        assert (await session.exec(select(User.email))).all() == [user.email]


async def test_an_error_rolls_the_unit_of_work_back(unit_of_work: UnitOfWork) -> None:
    async def fail_halfway() -> None:
        async with unit_of_work() as session:
            await make_user(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_halfway()
    async with unit_of_work() as session:
        assert (await session.exec(select(User))).all() == []


async def test_a_cancelled_unit_of_work_is_rolled_back(unit_of_work: UnitOfWork) -> None:
    flushed = asyncio.Event()

    async def work() -> None:
        async with unit_of_work() as session:
            await make_user(session)
            flushed.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await flushed.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with unit_of_work() as session:
        assert (await session.exec(select(User))).all() == []


async def test_rows_are_readable_after_the_commit(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, name="Ada")
    assert (user.name, user.created_at.tzinfo is not None) == ("Ada", True)


async def test_nothing_is_prepared_on_a_connection_that_a_pooler_may_share(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        for _ in range(20):
            await session.exec(select(User))
        prepared = await session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    assert prepared == 0


async def test_a_lost_connection_is_replaced(unit_of_work: UnitOfWork, database_url: str) -> None:
    async with unit_of_work() as session:
        await session.exec(select(User))
    with psycopg.connect(database_url) as killer:
        killed = killer.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert killed == (1,)
    async with unit_of_work() as session:
        assert (await session.exec(select(User))).all() == []


def test_each_event_loop_has_an_engine_of_its_own(database_url: str) -> None:
    async def count_users() -> int:
        async with database.unit_of_work() as session:
            users = (await session.exec(select(User))).all()
        await database.dispose()
        return len(users)

    assert [asyncio.run(count_users()) for _ in range(2)] == [0, 0]


async def test_the_engine_is_made_once_until_it_is_disposed(database_url: str) -> None:
    first = database.engine()
    assert database.engine() is first
    await database.dispose()
    assert database.engine() is not first
    await database.dispose()


async def test_the_servers_version_is_told(database_url: str) -> None:
    assert (await database.check_server()).startswith("18.")
    await database.dispose()


def use_settings(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    defaults = {"database_url": None, "database_direct_url": None}
    monkeypatch.setattr(database, "get_settings", lambda: SimpleNamespace(**{**defaults, **values}))


def test_the_settings_name_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, database_url="postgresql://pooler/x")
    assert database.database_url() == database.direct_url() == "postgresql://pooler/x"


def test_the_direct_url_leads_past_the_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(
        monkeypatch,
        database_url="postgresql://pooler/x",
        database_direct_url="postgresql://server/x",
    )
    assert database.database_url() == "postgresql://pooler/x"
    assert database.direct_url() == "postgresql://server/x"


def test_without_a_setting_the_embedded_server_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    started: list[object] = []

    def start(home: object) -> str:
        started.append(home)
        return "postgresql://embedded"

    monkeypatch.setattr(embedded, "start", start)
    use_settings(monkeypatch, var_dir=tmp_path)
    assert database.database_url() == database.direct_url() == "postgresql://embedded"
    assert set(started) == {tmp_path / "postgres"}  # type: ignore[operator]
