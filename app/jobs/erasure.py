"""Erasing accounts. Each step may be repeated, and none waits for one that somebody else owes."""

import logging
from collections.abc import Awaitable

from procrastinate import Blueprint, JobContext

from app.accounts import erasures
from app.accounts.erasures import Due
from app.billing import leaving
from app.core.database import unit_of_work
from app.core.settings import get_settings
from app.flows import erasure
from app.integrations.mail import make_mailer
from app.integrations.mail.render import render_mail
from app.usage import erasing

BUDGET_SECONDS = 240.0
"""For deleting calls, so that a job ends in its time; what is left is another job's work."""

SUBJECTS = {
    "erasure_begun": "Your account is being deleted",
    "erasure_done": "Your account is deleted",
}

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    name = erase_due.__name__
    task = tasks.task(name=name, queueing_lock=name, pass_context=True)(erase_due)
    tasks.periodic(cron="* * * * *")(task)
    tasks.task(name="erase")(erase)
    return tasks


async def erase_due(context: JobContext, timestamp: int) -> None:
    """Queue work on every erasure that is due: put off before, or whoever was at it has died."""
    async with unit_of_work() as session:
        for erasure_id in await erasures.list_due(session):
            await erasures.queue(session, erasure_id)


async def erase(erasure_id: str) -> None:
    """Do what is still to be done of this erasure, unless somebody is at it."""
    async with unit_of_work() as session:
        due = await erasures.claim(session, erasure_id)
    if due is None:
        return
    if due.email is None:
        await _finish_at_stripe(due)
        return
    async with unit_of_work() as session:
        await erasure.stop(session, due.user_id)
    is_told = due.is_told or await _is_done(_tell(due), "was not told of it", due)
    is_gone = due.is_customer_gone or await _is_done(_leave_stripe(due), "is still at Stripe", due)
    if not await erasing.delete_calls(due.user_id, budget_seconds=BUDGET_SECONDS):
        async with unit_of_work() as session:
            await erasures.go_on(session, due.id)
        return
    await erasing.delete_counters(due.user_id)
    await _end(due, is_told=is_told, is_gone=is_gone)


async def _end(due: Due, *, is_told: bool, is_gone: bool) -> None:
    """Delete the account, once it has settled, and all others have done their part or had time."""
    if not due.is_settled:
        async with unit_of_work() as session:
            await erasures.wait_until_settled(session, due.id)
        return
    is_ready = is_told and is_gone
    if is_ready or due.is_late:
        goodbye = _mail(due, "erasure_done", is_customer_left=not is_gone)
        is_ready = await _is_done(goodbye, "was not told that it is done", due)
    if not (is_ready or due.is_late):
        await _put_off(due)
        return
    await erasure.finish(due, is_customer_gone=is_gone)
    logger.info("erased account %s", due.user_id)


async def _tell(due: Due) -> None:
    await _mail(due, "erasure_begun")
    async with unit_of_work() as session:
        await erasures.mark_told(session, due.id)


async def _leave_stripe(due: Due) -> None:
    await leaving.delete_customer(due.user_id)
    async with unit_of_work() as session:
        await erasures.mark_customer_gone(session, due.id)


async def _finish_at_stripe(due: Due) -> None:
    """All that is left of the account is its customer at Stripe."""
    left = leaving.delete_left_customer(due.user_id, due.stripe_customer_id)
    if await _is_done(left, "is still at Stripe", due):
        async with unit_of_work() as session:
            await erasures.forget(session, due.id)
    else:
        await _put_off(due)


async def _mail(due: Due, kind: str, **values: object) -> None:
    """Send it; a repeated one carries the same Message-ID."""
    settings = get_settings()
    mail = render_mail(
        kind,
        to=due.email or "",
        subject=SUBJECTS[kind],
        message_id=f"<{kind}.{due.id}@{settings.public_host}>",
        site=settings.public_url,
        **values,
    )
    await make_mailer(settings).send(mail)


async def _put_off(due: Due) -> None:
    async with unit_of_work() as session:
        await erasures.put_off(session, due.id)


async def _is_done(step: Awaitable[None], what: str, due: Due) -> bool:
    """Whether a step that needs somebody else could be done; if not, it is tried again later."""
    try:
        await step
    except Exception as error:  # whatever it is, the other steps do not wait for this one
        level = logging.ERROR if due.is_late else logging.WARNING
        logger.log(level, "erased account %s %s, trying again: %r", due.user_id, what, error)
        return False
    return True
