"""Mail jobs. They are given ids only; a token is made at the moment of sending."""

import logging
from urllib.parse import quote

from procrastinate import Blueprint, RetryStrategy

from app.accounts.links import LINK_MINUTES, issue_token
from app.core.database import unit_of_work
from app.core.settings import get_settings
from app.integrations.mail import make_mailer
from app.integrations.mail.render import render_mail

RETRY = RetryStrategy(max_attempts=8, exponential_wait=2)

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    tasks.task(name="send_sign_in_link", retry=RETRY)(send_sign_in_link)
    return tasks


async def send_sign_in_link(link_id: str) -> None:
    """Make the link's token and mail it; each try makes a new one."""
    async with unit_of_work() as session:
        issued = await issue_token(session, link_id)
    if issued is None:
        return
    address, token = issued
    settings = get_settings()
    mail = render_mail(
        "sign_in",
        to=address,
        subject="Your sign-in link",
        message_id=f"<sign-in.{link_id}@{settings.public_host}>",
        link=f"{settings.public_url}/auth/email/confirm?token={quote(token)}",
        minutes=LINK_MINUTES,
        site=settings.public_url,
    )
    try:
        await make_mailer(settings).send(mail)
    except Exception as error:
        logger.warning("Mail of request %s was not handed on, trying again: %s", link_id, error)
        raise
