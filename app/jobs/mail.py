"""Mail jobs. They are given ids only; a token is made at the moment of sending."""

import logging
from urllib.parse import quote

from procrastinate import Blueprint, RetryStrategy

from app.accounts.links import LINK_MINUTES, issue_token
from app.core.database import unit_of_work
from app.core.settings import get_settings
from app.integrations.mail import Mail, make_mailer
from app.integrations.mail.render import render_mail
from app.keys.exposure_notice import ExposureNotice, find_exposure_notice
from app.keys.leaks import find_notice

RETRY = RetryStrategy(max_attempts=8, exponential_wait=2)

logger = logging.getLogger(__name__)


def make_tasks() -> Blueprint:
    """The tasks of this module. Made anew each time, for an app renames those it is given."""
    tasks = Blueprint()
    tasks.task(name="send_sign_in_link", retry=RETRY)(send_sign_in_link)
    tasks.task(name="send_leak_notice", retry=RETRY)(send_leak_notice)
    tasks.task(name="send_exposure_notice", retry=RETRY)(send_exposure_notice)
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
    await _hand_on(mail, f"of request {link_id}")


async def send_leak_notice(key_id: str, day: str) -> None:
    """Tell a key's owner that it was in a URL on that day, unless there is no need any more."""
    async with unit_of_work() as session:
        notice = await find_notice(session, key_id)
    if notice is None:
        return
    settings = get_settings()
    key = _named(notice.label, notice.start)
    mail = render_mail(
        "key_leak",
        to=notice.to,
        subject=f"Your key {key} was in a URL: {'replace' if notice.is_trial else 'rotate'} it",
        message_id=f"<key-leak.{key_id}.{day}@{settings.public_host}>",
        key=key,
        times="once" if notice.times == 1 else f"{notice.times:,} times",
        last_seen=f"{notice.last_seen_at:%Y-%m-%d %H:%M}",
        is_trial=notice.is_trial,
        link=f"{settings.public_url}/{'trials' if notice.is_trial else 'keys'}/",
        site=settings.public_url,
    )
    await _hand_on(mail, f"about the leaked key {key_id}")


async def send_exposure_notice(key_id: str) -> None:
    """Tell a key's owner that somebody has found and reported it, and what was done."""
    async with unit_of_work() as session:
        notice = await find_exposure_notice(session, key_id)
    if notice is None:
        return
    settings = get_settings()
    mail = render_mail(
        "key_exposed",
        to=notice.to,
        subject=_exposure_subject(notice),
        message_id=f"<key-exposed.{key_id}@{settings.public_host}>",
        key=_named(notice.label, notice.start),
        place=notice.place,
        is_revoked=notice.is_revoked,
        is_trial=notice.is_trial,
        ends=f"{notice.ends_at:%Y-%m-%d %H:%M}",
        link=f"{settings.public_url}/{'trials' if notice.is_trial else 'keys'}/",
        site=settings.public_url,
    )
    await _hand_on(mail, f"about the exposed key {key_id}")


def _exposure_subject(notice: ExposureNotice) -> str:
    key = _named(notice.label, notice.start)
    if notice.is_revoked:
        return f"Your key {key} was found by others and is revoked: replace it"
    return f"Your key {key} was found by others and ends soon: replace it"


def _named(label: str | None, start: str | None) -> str:
    """A key in words: its name and how it begins, as far as they are known."""
    shown = f"{start}…" if start else ""
    return f"{label} ({shown})" if label and shown else label or shown or "Unnamed"


async def _hand_on(mail: Mail, what: str) -> None:
    try:
        await make_mailer(get_settings()).send(mail)
    except Exception as error:
        logger.warning("Mail %s was not handed on, trying again: %s", what, error)
        raise
