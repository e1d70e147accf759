"""Applying Stripe's events, comparing with it each night, and the mails about both."""

import logging

from procrastinate import Blueprint, JobContext, RetryStrategy

from app.billing import event_store, notices, reconcile
from app.billing.events import apply_due
from app.billing.events import apply_events as apply_customer_events
from app.core import outbox
from app.core.database import unit_of_work
from app.core.settings import get_settings
from app.integrations.mail import make_mailer
from app.integrations.mail.render import render_mail

RETRY = RetryStrategy(max_attempts=16, exponential_wait=2)
"""A day and a half in all: such a mail is still of use when the mail server is back."""

BUDGET_SECONDS = 240.0
"""So that a job ends in its time; what is left is another job's work."""

RECONCILE_TASK = "billing:reconcile_from"

SUBJECTS = {
    "payment_failed": "Your payment failed",
    "payment_recovered": "Your payment has arrived",
    "plan_changed": "Your plan is now {plan}",
    "plan_ending": "Your plan {plan} ends on {until}",
    "plan_ended": "Your plan {plan} has been cancelled",
}

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    schedule = {apply_overdue: "* * * * *", reconcile_all: "37 1 * * *"}
    for function, cron in schedule.items():
        name = function.__name__
        task = tasks.task(name=name, queueing_lock=name, pass_context=True)(function)
        tasks.periodic(cron=cron)(task)
    tasks.task(name="apply_events")(apply_events)
    tasks.task(name="reconcile_from")(reconcile_from)
    tasks.task(name="send_notice", retry=RETRY)(send_notice)
    return tasks


async def apply_events(customer_id: str) -> None:
    """Apply what Stripe has sent of this customer."""
    await apply_customer_events(customer_id)


async def apply_overdue(context: JobContext, timestamp: int) -> None:
    """Apply events whose time has come again, and let plans end whose time is over."""
    async with unit_of_work() as session:
        await reconcile.end_plans(session)
    await apply_due()


async def reconcile_all(context: JobContext, timestamp: int) -> None:
    """Compare every account with Stripe, and repair what differs; forget old events."""
    async with unit_of_work() as session:
        await event_store.delete_old(session)
    await reconcile_from("")


async def reconcile_from(after: str) -> None:
    """Go on where an earlier job's time was up."""
    report = await reconcile.reconcile(after=after, budget_seconds=BUDGET_SECONDS)
    logger.info(
        "compared %d accounts with Stripe: %d repaired, %d could not be asked",
        report.accounts,
        len(report.repaired),
        len(report.failed),
    )
    if report.reached is not None:
        async with unit_of_work() as session:
            await outbox.defer(session, RECONCILE_TASK, after=report.reached)


async def send_notice(notice_id: str) -> None:
    """Send the mail of this notice; a retry carries the same Message-ID."""
    async with unit_of_work() as session:
        due = await notices.find_mail(session, notice_id)
    if due is None:
        return
    settings = get_settings()
    mail = render_mail(
        due.kind,
        to=due.to,
        subject=SUBJECTS[due.kind].format(**due.details),
        message_id=f"<billing.{notice_id}@{settings.public_host}>",
        link=f"{settings.public_url}/billing/",
        site=settings.public_url,
        **due.details,
    )
    try:
        await make_mailer(settings).send(mail)
    except Exception as error:
        logger.warning("Mail %s was not handed on, trying again: %s", notice_id, error)
        raise
