"""A worker that is told to end does, however the library takes it."""

import asyncio
from contextlib import suppress

import pytest

from app.jobs import app as jobs_app


async def test_worker_that_takes_its_cancelling_for_itself_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = 0
    is_running = asyncio.Event()

    async def work_once() -> None:
        nonlocal starts
        starts += 1
        is_running.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(jobs_app, "_work_once", work_once)
    monkeypatch.setattr(jobs_app, "RESTART_SECONDS", 0)
    working = asyncio.create_task(jobs_app.work())
    await is_running.wait()
    working.cancel()
    await asyncio.wait({working}, timeout=5)
    assert working.done()
    assert starts == 1
