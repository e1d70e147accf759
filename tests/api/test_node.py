"""An API-only node: metered calls and health, and nothing of the portal."""

from contextlib import asynccontextmanager

import httpx
import pytest

from app.api import lifetimes, node
from app.api.lifetimes import ApiAppNotStarted, running
from app.core import database
from tests.api.browser import make_settings


@pytest.fixture
def levels(monkeypatch, tmp_path):
    """The levels that logging was configured with."""
    seen = []
    monkeypatch.setattr(node, "get_settings", lambda: make_settings(tmp_path, log_level="error"))
    monkeypatch.setattr(node, "configure_logging", seen.append)
    return seen


@asynccontextmanager
async def served(app):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost:8000"
    ) as client:
        yield client


async def test_node_has_calls_and_health_and_no_portal(levels, database_url):
    async with served(node.make_node()) as client:
        assert (await client.post("/api/v1/screen", json={})).status_code == 401
        assert (await client.get("/readyz")).status_code == 200
        assert "latchkey_calls_recorded_total 0.0" in (await client.get("/metrics")).text
        for path in ("/", "/dev/mail", "/auth/email/confirm"):
            assert (await client.get(path)).status_code == 404
    await database.dispose()


def test_each_process_of_a_node_masks_its_own_log(levels):
    node.make_node()
    assert levels == ["error"]


class Part:
    """A meter that notes what is done to it."""

    def __init__(self, fault=None):
        self.done = []
        self.fault = fault

    async def start(self):
        self.done.append("start")
        if self.fault:
            raise self.fault

    async def stop(self):
        self.done.append("stop")


async def test_meter_is_stopped_also_when_what_it_serves_fails():
    meter = Part()
    with pytest.raises(ZeroDivisionError):
        async with running(meter)():
            raise ZeroDivisionError
    assert meter.done == ["start", "stop"]


async def test_meter_that_cannot_start_says_why_and_is_not_stopped():
    meter = Part(RuntimeError("the API app did not start: no list"))
    with pytest.raises(ApiAppNotStarted, match="no list"):
        async with running(meter)():
            raise AssertionError("it must not be entered")
    assert meter.done == ["start"]


async def test_connections_are_closed_at_the_end_whatever_happens(monkeypatch):
    closed = []

    async def dispose():
        closed.append(True)

    monkeypatch.setattr(lifetimes.database, "dispose", dispose)
    with pytest.raises(ZeroDivisionError):
        async with lifetimes.released_database():
            raise ZeroDivisionError
    assert closed == [True]
