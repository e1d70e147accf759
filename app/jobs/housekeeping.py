"""Periodic work. What is due follows from the tables, not from having run on time."""

from procrastinate import Blueprint, JobContext

from app.accounts import links, sessions
from app.core.database import direct_url, unit_of_work
from app.metering import partitions

tasks = Blueprint()


@tasks.periodic(cron="* * * * *")
@tasks.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Queue again what a killed worker left unfinished; every task of ours may run twice."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)


@tasks.periodic(cron="17 * * * *")
@tasks.task(name="delete_stale", queueing_lock="delete_stale")
async def delete_stale(timestamp: int) -> None:
    """Remove links and sessions that ended by time."""
    async with unit_of_work() as session:
        await links.delete_stale(session)
        await sessions.delete_expired(session)


@tasks.periodic(cron="42 3 * * *")
@tasks.task(name="make_months", queueing_lock="make_months")
async def make_months(timestamp: int) -> None:
    """Make the call tables' months ahead."""
    await partitions.make_months(direct_url())
