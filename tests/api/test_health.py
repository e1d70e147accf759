"""Alive whenever the process is; ready when the database is."""

import asyncio
import time

import pytest
from sqlmodel import text

from app.api import health
from app.core import database, migrations
from tests.api.browser import make_app, make_settings, opened
from tests.metering.database_proxy import DatabaseProxy


@pytest.fixture
async def visitor(tmp_path):
    async with opened(make_settings(tmp_path)) as browser:
        yield browser
    await database.dispose()


@pytest.fixture
def pointed_at(database_url):
    """Points `app` elsewhere; goes back after the test."""
    yield database.point_at
    database.point_at(database_url)


async def test_ready_when_the_database_has_our_migrations(visitor, database_url):
    answer = await visitor.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "ok"}


async def test_alive_needs_no_database(visitor, pointed_at):
    pointed_at("postgresql://nobody@127.0.0.1:1/none")
    assert (await visitor.get("/healthz")).json() == {"status": "ok"}


async def test_not_ready_at_once_while_the_database_is_away(visitor, pointed_at):
    pointed_at("postgresql://nobody:hidden@127.0.0.1:1/none")
    started = time.monotonic()
    answer = await visitor.get("/readyz")
    assert time.monotonic() - started < 2
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "unavailable"}


async def test_not_ready_on_a_database_without_our_schema(visitor, pointed_at, postgres):
    pointed_at(postgres)
    assert (await visitor.get("/readyz")).status_code == 503


@pytest.mark.parametrize(
    ("revision", "status"), [(migrations.revisions()[-2], 503), ("of a newer release", 200)]
)
async def test_ready_needs_our_migrations_and_minds_no_newer_ones(
    visitor, database_url, revision, status
):
    async with database.unit_of_work() as session:
        update = "UPDATE latchkey.alembic_version SET version_num = :revision"
        await session.exec(text(update), params={"revision": revision})
    assert (await visitor.get("/readyz")).status_code == status


async def test_ready_again_once_the_database_is_back(visitor, pointed_at, database_url):
    async with DatabaseProxy(database_url) as proxy:
        pointed_at(proxy.url)
        assert (await visitor.get("/readyz")).status_code == 200
        proxy.go_away()
        assert (await visitor.get("/readyz")).status_code == 503
        proxy.come_back()
        assert (await visitor.get("/readyz")).status_code == 200
        await database.dispose()


async def test_silent_database_keeps_nobody_waiting(visitor, pointed_at, database_url, monkeypatch):
    monkeypatch.setattr(health, "READY_SECONDS", 0.2)
    async with DatabaseProxy(database_url) as proxy:
        pointed_at(proxy.url)
        assert (await visitor.get("/readyz")).status_code == 200
        proxy.fall_silent()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*(visitor.get("/readyz") for _ in range(5)))
        assert {answer.status_code for answer in answers} == {503}


async def test_node_without_portal_has_the_health_routes_alone(tmp_path):
    from app.api.http import make_http

    settings = make_settings(tmp_path)
    async with opened(settings, app=make_http(with_portal=False)) as node:
        assert (await node.get("/healthz")).status_code == 200
        for path in ("/dev/mail", "/auth/email/confirm"):
            assert (await node.get(path)).status_code == 404
    async with opened(settings, app=make_app(settings)) as portal:
        assert (await portal.get("/dev/mail")).status_code == 200
