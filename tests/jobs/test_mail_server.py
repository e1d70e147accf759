"""A mail server that is down, refuses, is slow and is up again: one mail, and its link works."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import RetryStrategy

from app.accounts import links
from app.accounts.service import confirm_link
from app.core.settings import Settings
from app.integrations.mail import smtp
from app.jobs import app as jobs_app
from app.jobs import mail
from app.keys.exposure import end_exposed, read_sighting
from app.keys.format import key_start
from tests.api.browser import make_settings
from tests.conftest import UnitOfWork
from tests.e2e.mailbox import link_in, running_mailbox
from tests.factories import make_key, make_user
from tests.portal import free_port

SECONDS = 10
ASKED = links.LinkRequest(email="ada@example.com", name=None, company=None, next="/keys/")
ATTEMPTS = "SELECT max(attempts) FROM procrastinate_jobs WHERE task_name = %s"
WAITING = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once what in earnest waits."""
    monkeypatch.setattr(mail, "RETRY", RetryStrategy(max_attempts=1000))
    monkeypatch.setattr(jobs_app, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.2)


@pytest.fixture
def mail_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> int:
    """The port of the mail server in the settings; nothing listens there yet."""
    port = free_port()
    settings: Settings = make_settings(tmp_path, smtp_url=f"smtp://127.0.0.1:{port}")
    monkeypatch.setattr(mail, "get_settings", lambda: settings)
    return port


@pytest.fixture
def ask_jobs(database_url: str) -> Any:
    """Asks the table of jobs as another program."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET search_path = latchkey, public")

        def ask(statement: str, task: str = links.SEND_TASK) -> int:
            row = connection.execute(statement.encode(), [task]).fetchone()
            return int((row and row[0]) or 0)

        yield ask


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110  # a server of another thread can only be asked
            await asyncio.sleep(0.01)


async def ask_for_link(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        await links.request_link(session, ASKED, browser="mine")


async def confirm(unit_of_work: UnitOfWork, link: str) -> str:
    async with unit_of_work() as session:
        token = link.partition("token=")[2]
        known = {"browser": "mine", "knowingly": False}
        _, way_on = await confirm_link(session, token, **known, user_agent=None, ip_address=None)  # type: ignore[arg-type]
    return way_on


async def test_link_arrives_once_after_all_that_a_mail_server_can_do(
    unit_of_work: UnitOfWork, mail_port: int, ask_jobs: Any
) -> None:
    async with jobs_app.running_jobs():
        for times in (1, 2, 3):  # nothing comes, so it is asked for again
            await ask_for_link(unit_of_work)
            await until(lambda at_least=times: ask_jobs(ATTEMPTS) >= at_least)
        with running_mailbox(mail_port) as (mailbox, _):
            mailbox.refusals = ["451 try later", "421 too busy"]
            mailbox.delay_seconds = 0.3  # longer than a connection may take
            await until(lambda: ask_jobs(WAITING) == 0)
            assert mailbox.refusals == []
            [arrived] = mailbox.mails
            mailbox.delay_seconds = 0.0
            await ask_for_link(unit_of_work)
            await until(lambda: ask_jobs(WAITING) == 0)
            _, newest = mailbox.mails
    assert arrived["Message-ID"] != newest["Message-ID"]
    with pytest.raises(links.LinkInvalid):
        await confirm(unit_of_work, link_in(arrived))
    assert await confirm(unit_of_work, link_in(newest)) == "/keys/"


async def test_owner_of_an_exposed_key_is_told_once_and_without_the_key(
    unit_of_work: UnitOfWork, mail_port: int, ask_jobs: Any
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        key, secret = await make_key(session, user, label="production")
    for _ in range(3):
        async with unit_of_work() as session:
            sighting = read_sighting(secret, url=f"https://a.example/{secret}")
            await end_exposed(session, [sighting], grace=timedelta(hours=24))
    with running_mailbox(mail_port) as (mailbox, _):
        mailbox.refusals = ["451 try later"]
        async with jobs_app.running_jobs():
            await until(lambda: ask_jobs(WAITING, "accounts:send_exposure_notice") == 0)
    [told] = mailbox.mails
    assert told["To"] == user.email
    assert told["Message-ID"] == f"<key-exposed.{key.id}@localhost>"
    body = told.get_body(("plain",)).get_content()
    assert f"production ({key_start(secret)}…)" in body
    assert "a[.]example/" in body
    assert secret[12:] not in str(told)
