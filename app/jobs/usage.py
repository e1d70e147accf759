"""The counters, checked each night against the log, and swept of what is no more."""

import logging
from datetime import UTC, datetime, timedelta

from procrastinate import Blueprint, JobContext

from app.core import outbox
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.usage import sweeps
from app.usage.verify import FIRST, Range, Report, verify
from app.usage.verify_command import lines_of

RECENT = timedelta(days=2)
BUDGET_SECONDS = 240.0
"""So that a job ends in its time; what is left is another job's work."""

VERIFY_TASK = "housekeeping:verify_usage_from"

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    schedule = {
        verify_recent_usage: "23 2 * * *",
        verify_all_usage: "53 2 * * 0",
        sweep_usage: "11 4 * * *",
    }
    for function, cron in schedule.items():
        name = function.__name__
        task = tasks.task(name=name, queueing_lock=name, pass_context=True)(function)
        tasks.periodic(cron=cron)(task)
    tasks.task(name="verify_usage_from")(verify_usage_from)
    return tasks


async def verify_recent_usage(context: JobContext, timestamp: int) -> None:
    """Compare the last two days with the log, and repair what differs."""
    await _verify_and_repair(utc_now() - RECENT)


async def verify_all_usage(context: JobContext, timestamp: int) -> None:
    """Compare all that the log holds, and repair what differs."""
    await _verify_and_repair(FIRST)


async def verify_usage_from(since: str) -> None:
    """Go on where an earlier job's time was up."""
    await _verify_and_repair(datetime.fromisoformat(since))


async def sweep_usage(context: JobContext, timestamp: int) -> None:
    """Delete counters and remarks of keys, accounts and calls that are gone."""
    deleted = await sweeps.sweep()
    if deleted:
        logger.info("deleted %d counters and remarks of what is gone", deleted)


async def _verify_and_repair(since: datetime) -> None:
    report = await verify(Range(since=since), repair=True, budget_seconds=BUDGET_SECONDS)
    _say(report)
    if report.reached is not None:
        rest = report.reached.astimezone(UTC).isoformat()
        async with unit_of_work() as session:
            await outbox.defer(session, VERIFY_TASK, since=rest)


def _say(report: Report) -> None:
    if report.total:
        lines = "\n".join(lines_of(report, repair=True))
        logger.error("the counters differed from the log of calls, and were repaired:\n%s", lines)
    else:
        logger.info("the counters of %d calls equal the log", report.calls)
