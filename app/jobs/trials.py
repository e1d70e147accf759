"""Trials by the clock: their ends written down, the mails about them, and what goes afterwards."""

import logging
from datetime import timedelta

from procrastinate import Blueprint, JobContext

from app.core import outbox
from app.core.database import unit_of_work
from app.core.settings import get_settings
from app.integrations.mail import Mail, make_mailer
from app.integrations.mail.render import render_mail
from app.jobs.billing import BUDGET_SECONDS, RETRY
from app.trials import claims, endings, notices, retention

DELETE_TASK = "trials:delete_ended_from"

_HOURS_A_DAY = 24

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    schedule = {follow_ends: "* * * * *", delete_ended: "29 4 * * *"}
    for function, cron in schedule.items():
        name = function.__name__
        task = tasks.task(name=name, queueing_lock=name, pass_context=True)(function)
        tasks.periodic(cron=cron)(task)
    tasks.task(name="delete_ended_from")(delete_ended_from)
    tasks.task(name="send_notice", retry=RETRY)(send_notice)
    return tasks


async def follow_ends(context: JobContext, timestamp: int) -> None:
    """Write down which trials are over, and queue the mails that are due."""
    for follow in (endings.follow_ends, notices.queue_notices):
        followed = 1
        while followed:
            async with unit_of_work() as session:
                followed = await follow(session)


async def delete_ended(context: JobContext, timestamp: int) -> None:
    """Delete the trials whose data day has come, and forget who had one a year ago."""
    async with unit_of_work() as session:
        await claims.delete_old_claims(session)
    await delete_ended_from("")


async def delete_ended_from(after: str) -> None:
    """Go on where an earlier job's time was up."""
    report = await retention.delete_ended(after=after, budget_seconds=BUDGET_SECONDS)
    if report.trials or report.calls:
        logger.info("deleted %d ended trials and %d of their calls", report.trials, report.calls)
    if report.reached is not None:
        async with unit_of_work() as session:
            await outbox.defer(session, DELETE_TASK, after=report.reached)


async def send_notice(notice_id: str) -> None:
    """Send the mail of this notice, if it is still true; a retry carries the same Message-ID."""
    async with unit_of_work() as session:
        due = await notices.find_mail(session, notice_id)
    if due is None:
        return
    try:
        await make_mailer(get_settings()).send(_mail(due, notice_id))
    except Exception as error:
        logger.warning("Mail %s was not handed on, trying again: %s", notice_id, error)
        raise


def _mail(due: notices.DueMail, notice_id: str) -> Mail:
    settings = get_settings()
    is_over = due.kind == notices.ENDED
    name = " ".join(due.name.split())  # a line break is no part of a subject
    left = in_words(due.left)
    return render_mail(
        "trial_ended" if is_over else "trial_ending",
        to=due.to,
        subject=f"Your trial {name} {'has ended' if is_over else f'ends in {left}'}",
        message_id=f"<trial.{notice_id}@{settings.public_host}>",
        name=name,
        left=left,
        ends_at=f"{due.ends_at:%Y-%m-%d %H:%M}",
        data_goes_at=f"{due.data_goes_at:%Y-%m-%d %H:%M}",
        link=f"{settings.public_url}/trials/{due.slug}/",
        site=settings.public_url,
    )


def in_words(left: timedelta) -> str:
    """The time left, to the hour: "3 days", "1 day and 5 hours", "less than an hour"."""
    days, hours = divmod(round(left / timedelta(hours=1)), _HOURS_A_DAY)
    parts = [
        f"{number} {unit}{'' if number == 1 else 's'}"
        for number, unit in ((days, "day"), (hours, "hour"))
        if number
    ]
    return " and ".join(parts) or "less than an hour"
