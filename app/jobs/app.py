"""The job queue: its connection, and running it alone or inside another program."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from app.core.database import direct_url
from app.jobs import accounts, billing, erasure, housekeeping, leaks, mail, trials, usage

SEARCH_PATH = "-c search_path=latchkey,public"
"""procrastinate's objects live in our schema, so that `public` stays the document's."""
DRAIN_SECONDS = 5
CONCURRENCY = 4
RESTART_SECONDS = 2
POLL_SECONDS = 5.0
"""How late a job may be that was put off, after a failure say; new ones are announced at once."""

logger = logging.getLogger(__name__)


def make_jobs() -> App:
    """The job app with every task of ours, not yet connected."""
    jobs = App(
        connector=PsycopgConnector(
            conninfo=direct_url(), min_size=1, max_size=4, kwargs={"options": SEARCH_PATH}
        )
    )
    for module in (accounts, mail):
        jobs.add_tasks_from(module.make_tasks(), namespace="accounts")
    jobs.add_tasks_from(billing.make_tasks(), namespace="billing")
    jobs.add_tasks_from(trials.make_tasks(), namespace="trials")
    jobs.add_tasks_from(erasure.make_tasks(), namespace="erasure")
    for module in (housekeeping, leaks, usage):
        jobs.add_tasks_from(module.make_tasks(), namespace="housekeeping")
    return jobs


@asynccontextmanager
async def running_jobs() -> AsyncIterator[None]:
    """Work off jobs in this process until the block ends; unfinished ones get a moment."""
    worker = asyncio.create_task(work(), name="jobs")
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def work() -> None:
    """Work off jobs until cancelled; a lost database only delays them."""
    while True:
        try:
            await _work_once()
        except Exception:
            logger.exception("The job worker stopped; starting it again")
        if _is_told_to_end():  # the library may take the cancelling for itself, and just return
            return
        await asyncio.sleep(RESTART_SECONDS)


def _is_told_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _work_once() -> None:
    jobs = make_jobs()
    async with jobs.open_async():
        await jobs.run_worker_async(
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=POLL_SECONDS,
            install_signal_handlers=False,
            shutdown_graceful_timeout=DRAIN_SECONDS,
            delete_jobs="successful",
        )
