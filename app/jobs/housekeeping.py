"""Periodic work. What is due follows from the tables, not from having run on time."""

from procrastinate import Blueprint, JobContext

from app.accounts import links, oauth_states, sessions
from app.core import allowances
from app.core.clock import utc_now
from app.core.database import direct_url, unit_of_work
from app.metering import expired_records, partitions

FAILED_JOBS_KEPT_HOURS = 7 * 24
LONGEST_JOB_MINUTES = 10
"""Longer than any task of ours can take."""

_LEFT_BEHIND = """
    SELECT job.id
    FROM procrastinate_jobs job JOIN procrastinate_events event ON event.job_id = job.id
    WHERE job.status = 'doing' AND event.type = 'started'
    GROUP BY job.id HAVING max(event.at) < now() - %(minutes)s * interval '1 minute'
"""


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    schedule = {retry_stalled: "* * * * *", delete_stale: "17 * * * *", make_months: "42 3 * * *"}
    for function, cron in schedule.items():
        name = function.__name__
        task = tasks.task(name=name, queueing_lock=name, pass_context=True)(function)
        tasks.periodic(cron=cron)(task)
    return tasks


async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Queue again what was left unfinished; every task of ours may run twice.

    By a worker that was killed, or by one that lives but lost the database just when it
    would have noted how the job ended.
    """
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)
    for row in await context.app.connector.execute_query_all_async(
        _LEFT_BEHIND, minutes=LONGEST_JOB_MINUTES
    ):
        await manager.retry_job_by_id_async(row["id"], retry_at=utc_now())


async def delete_stale(context: JobContext, timestamp: int) -> None:
    """Remove what ended by time: links, sessions, limits, kept answers; and old failed jobs."""
    async with unit_of_work() as session:
        await links.delete_stale(session)
        await sessions.delete_expired(session)
        await oauth_states.delete_stale(session)
        await allowances.forget_unused(session)
    await expired_records.delete_expired(direct_url())
    await context.app.job_manager.delete_old_jobs(FAILED_JOBS_KEPT_HOURS, include_failed=True)


async def make_months(context: JobContext, timestamp: int) -> None:
    """Make the call tables' months ahead."""
    await partitions.make_months(direct_url())
