"""SIGTERM under load: calls in work finish, what was acknowledged is recorded, and it ends."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.afterwards import TIMES, Report, check_afterwards
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers, Key
from tests.faults.conftest import StartApi
from tests.faults.inner_apps import GATE, OPEN

STOPPED_SECONDS = 5
"""With nothing in work but what answers at once."""
CLIENTS = 8
WORK_SECONDS = 1.0
"""How long the calls in work go on after the stop has begun."""


@pytest.mark.parametrize("workers", [1, 2])
async def test_stop_under_load_loses_no_acknowledged_call(
    start_api: StartApi, keys: list[Key], database_url: str, report: Report, workers: int
) -> None:
    api = await start_api(workers=workers)
    stops = []
    async with Callers([api.url], keys) as callers:
        for _ in range(max(1, TIMES // (workers * workers))):
            await callers.some_answers()
            began = time.monotonic()
            await api.stop()
            stops.append(time.monotonic() - began)
            await api.start()
    await api.stop()
    what = f"SIGTERM to {workers} worker(s) under load, ended after {max(stops):.1f} s at most"
    check_afterwards(what, callers, database_url, report)
    assert set(callers.statuses) == {200}
    assert max(stops) < STOPPED_SECONDS


@pytest.mark.parametrize("workers", [1, 2])
async def test_calls_in_work_finish_after_sigterm(
    start_api: StartApi,
    keys: list[Key],
    database_url: str,
    tmp_path: Path,
    report: Report,
    workers: int,
) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    settings = {"API_APP": "inner_apps:gated", GATE: str(gate)}
    api = await start_api(workers=workers, **settings)
    async with Callers([api.url], keys, count=CLIENTS) as callers:
        await _until_in_work(gate, CLIENTS)
        told_at = time.monotonic()
        api.terminate()
        await _until_refusing(api)
        await asyncio.sleep(WORK_SECONDS)
        (gate / OPEN).touch()
        await callers.until(lambda now: len(now.answered) >= CLIENTS)
        code = await api.until_ended()
    seconds = time.monotonic() - told_at
    what = f"SIGTERM to {workers} worker(s) with {CLIENTS} calls in work, ended in {seconds:.1f} s"
    check_afterwards(what, callers, database_url, report)
    assert [(one.status, one.began_at < told_at) for one in callers.answered] == [
        (200, True)
    ] * CLIENTS
    assert callers.broken == []
    assert code == 0


async def _until_in_work(gate: Path, calls: int) -> None:
    async with asyncio.timeout(30):
        while len(list(gate.iterdir())) < calls:  # noqa: ASYNC110, ASYNC240  # a file's coming
            await asyncio.sleep(0.01)


async def _until_refusing(api: ApiProcess) -> None:
    """Return when it refuses connections. What it takes until then is answered, or broken off."""
    async with asyncio.timeout(10), httpx.AsyncClient(timeout=1) as client:
        while True:
            try:
                await client.get(f"{api.url}/healthz", headers={"Connection": "close"})
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                continue
