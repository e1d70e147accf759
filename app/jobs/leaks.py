"""Telling the owners of keys that were seen in URLs."""

from procrastinate import Blueprint, JobContext

from app.core.database import unit_of_work
from app.keys import leaks


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    name = tell_of_leaks.__name__
    task = tasks.task(name=name, queueing_lock=name, pass_context=True)(tell_of_leaks)
    tasks.periodic(cron="* * * * *")(task)
    return tasks


async def tell_of_leaks(context: JobContext, timestamp: int) -> None:
    """Queue the mail about each key that was in a URL on a day not yet told of."""
    queued = 1
    while queued:
        async with unit_of_work() as session:
            queued = await leaks.queue_notices(session)
