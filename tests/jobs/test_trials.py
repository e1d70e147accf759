"""What is due by the clock is done once: by one worker or two, in time or late."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from procrastinate import RetryStrategy
from psycopg_pool.base import AttemptWithBackoff
from sqlalchemy import text
from sqlmodel import select, update

from app.core.clock import utc_now
from app.integrations.mail import FileMailer, list_stored
from app.jobs import app as jobs_app
from app.jobs import trials
from app.models import TrialClaim, TrialWorkspace
from app.trials import retention
from tests.api.browser import make_settings
from tests.conftest import UnitOfWork
from tests.factories import make_trial_call, make_trial_key, make_user, make_workspace
from tests.integrations.test_mail import Page
from tests.trials.passing import pass_time

DAY = timedelta(days=1)
SECONDS = 20
WAITING: Any = text("SELECT count(*) FROM latchkey.procrastinate_jobs WHERE task_name ~ '^trials:'")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tries again at once what in earnest waits; mail lies in the test's folder."""
    settings = make_settings(tmp_path)
    monkeypatch.setattr(trials, "RETRY", RetryStrategy(max_attempts=8))
    monkeypatch.setattr(trials, "get_settings", lambda: settings)
    monkeypatch.setattr(jobs_app, "RESTART_SECONDS", 0.01)
    monkeypatch.setattr(jobs_app, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.01)


@pytest.fixture
async def trial(unit_of_work: UnitOfWork) -> TrialWorkspace:
    """A trial that begins now and lasts two weeks."""
    async with unit_of_work() as session:
        now = utc_now()
        return await make_workspace(
            session,
            await make_user(session),
            name="Ünïcode & Sons",
            slug="unicode-sons",
            created_at=now,
            expires_at=now + 14 * DAY,
        )


@pytest.fixture
def subjects(tmp_path: Path) -> Callable[[], list[str]]:
    """The subjects of the mails that were sent, the oldest first."""
    return lambda: [mail.subject for mail in reversed(list_stored(tmp_path / "mail"))]


async def round_of_the_clock() -> None:
    await trials.follow_ends(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await is_so():  # noqa: ASYNC110  # other processes can only be asked
            await asyncio.sleep(0.02)


async def work_off(unit_of_work: UnitOfWork, workers: int = 1) -> None:
    """Let so many workers do what is queued, and end."""

    async def is_done() -> bool:
        async with unit_of_work() as session:
            return (await session.exec(WAITING)).scalar_one() == 0

    running = [asyncio.create_task(jobs_app.work()) for _ in range(workers)]
    await until(is_done)
    for worker in running:
        worker.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_trial_is_reminded_and_ends_with_one_mail_each(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, subjects: Callable[[], list[str]]
) -> None:
    said = []
    for days, words in ((11, "ends in 3 days"), (2, "ends in 1 day"), (1, "has ended")):
        await pass_time(unit_of_work, days * DAY)
        await asyncio.gather(round_of_the_clock(), round_of_the_clock())
        await round_of_the_clock()
        await work_off(unit_of_work, workers=2)
        said.append(f"Your trial Ünïcode & Sons {words}")
        assert subjects() == said
    async with unit_of_work() as session:
        assert (await session.get_one(TrialWorkspace, trial.id)).status == "expired"


async def test_after_a_time_without_jobs_there_is_one_mail_that_says_the_truth(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, subjects: Callable[[], list[str]]
) -> None:
    await pass_time(unit_of_work, 13 * DAY + timedelta(hours=7))
    await round_of_the_clock()
    await work_off(unit_of_work)
    assert subjects() == ["Your trial Ünïcode & Sons ends in 17 hours"]


async def test_mails_that_waited_for_the_mail_server_are_replaced_by_the_last(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, subjects: Callable[[], list[str]]
) -> None:
    for days in (11, 2, 1):
        await pass_time(unit_of_work, days * DAY)
        await round_of_the_clock()
    await work_off(unit_of_work)
    assert subjects() == ["Your trial Ünïcode & Sons has ended"]


async def test_mail_of_a_trial_that_was_converted_meanwhile_is_dropped(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, subjects: Callable[[], list[str]]
) -> None:
    await pass_time(unit_of_work, 11 * DAY)
    await round_of_the_clock()
    async with unit_of_work() as session:
        await session.exec(update(TrialWorkspace).values(status="converted"))
    await work_off(unit_of_work)
    assert subjects() == []


async def test_mail_that_failed_is_tried_again_under_the_same_id(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried: list[str] = []

    class Flaky(FileMailer):
        async def send(self, mail: Any) -> None:
            tried.append(mail.message_id)
            if len(tried) < 3:
                raise ConnectionError("after the server had taken it")
            await super().send(mail)

    mailer = Flaky(tmp_path / "mail", sender="x@example.com")
    monkeypatch.setattr(trials, "make_mailer", lambda settings: mailer)
    await pass_time(unit_of_work, 14 * DAY)
    await round_of_the_clock()
    await work_off(unit_of_work)
    assert len(tried) == 3
    assert len(set(tried)) == 1
    assert tried[0].startswith("<trial.")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (11, ["ends in 3 days", "From then on calls with its keys are refused", "convert the trial",
              "can still be converted until"]),
        (14, ["has ended", "It ended on", "the same keys work again", "kept until",
              "nothing is charged"]),
    ],
)  # fmt: skip
async def test_both_parts_of_a_mail_say_what_ends_when_and_what_to_do(
    unit_of_work: UnitOfWork,
    trial: TrialWorkspace,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    words: list[str],
) -> None:
    sent: list[Any] = []

    class Mailbox:
        async def send(self, mail: Any) -> None:
            sent.append(mail)

    monkeypatch.setattr(trials, "make_mailer", lambda settings: Mailbox())
    await pass_time(unit_of_work, days * DAY)
    await round_of_the_clock()
    await work_off(unit_of_work)
    async with unit_of_work() as session:
        ends_at = (await session.get_one(TrialWorkspace, trial.id)).expires_at
    [mail] = sent
    page = Page(mail.html)
    link = "http://localhost:8000/trials/unicode-sons/"
    assert page.links == [link]
    assert mail.text.count(link) == 1
    for part in (mail.text, page.text):
        said = " ".join(part.split())
        for expected in (
            *words,
            "Ünïcode & Sons",
            f"{ends_at:%Y-%m-%d %H:%M} UTC",
            f"{ends_at + 30 * DAY:%Y-%m-%d %H:%M} UTC",
            f"because {mail.to} started this trial at http://localhost:8000",
        ):
            assert expected in said


async def test_name_that_another_program_gave_fits_into_a_subject(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, subjects: Callable[[], list[str]]
) -> None:
    async with unit_of_work() as session:
        await session.exec(update(TrialWorkspace).values(name="two\nlines: a\r\nheader"))
    await pass_time(unit_of_work, 14 * DAY)
    await round_of_the_clock()
    await work_off(unit_of_work)
    assert subjects() == ["Your trial two lines: a header has ended"]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (3 * DAY - timedelta(seconds=59), "3 days"),
        (2.2 * DAY, "2 days and 5 hours"),
        (DAY, "1 day"),
        (timedelta(hours=25), "1 day and 1 hour"),
        (timedelta(hours=23, minutes=40), "1 day"),
        (timedelta(minutes=31), "1 hour"),
        (timedelta(minutes=29), "less than an hour"),
        (timedelta(), "less than an hour"),
    ],
)
def test_time_left_in_words(left: timedelta, words: str) -> None:
    assert trials.in_words(left) == words


async def test_what_is_over_is_deleted_also_when_it_takes_several_jobs(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(retention, "delete_ended", partial(retention.delete_ended, batch=2))
    async with unit_of_work() as session:
        key, _ = await make_trial_key(session, trial)
        for _ in range(5):
            await make_trial_call(session, key)
        for subject, days in (("old", 367), ("young", 100)):
            session.add(TrialClaim(subject=subject, tier="x", taken_at=utc_now() - days * DAY))
    await trials.delete_ended(None, 0)  # type: ignore[arg-type]  # it asks nothing of its context
    await work_off(unit_of_work)
    async with unit_of_work() as session:
        assert await session.get(TrialWorkspace, trial.id) is not None
    await pass_time(unit_of_work, 45 * DAY)
    await trials.delete_ended(None, 0)  # type: ignore[arg-type]  # as above
    await work_off(unit_of_work)
    async with unit_of_work() as session:
        assert await session.get(TrialWorkspace, trial.id) is None
        assert (await session.exec(select(TrialClaim.subject))).all() == ["young"]
