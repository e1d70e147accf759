"""What an account was waiting for until it had a plan."""

import logging

from procrastinate import Blueprint, JobContext

from app.core.database import unit_of_work
from app.flows.trial_conversion import convert_wished, list_wishing_owners

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    tasks.task(name="plan_started")(plan_started)
    name = convert_overdue.__name__
    task = tasks.task(name=name, queueing_lock=name, pass_context=True)(convert_overdue)
    tasks.periodic(cron="* * * * *")(task)
    return tasks


async def plan_started(user_id: str) -> None:
    """Convert the trials that were to go on with a plan."""
    await convert_wished(user_id)


async def convert_overdue(context: JobContext, timestamp: int) -> None:
    """Convert what an earlier job was to and did not, because the database was away, say."""
    async with unit_of_work() as session:
        owners = await list_wishing_owners(session)
    for user_id in owners:
        try:
            await convert_wished(user_id)
        except Exception:  # whatever it is, the others are converted
            logger.exception("the trials of account %s could not be converted yet", user_id)
