"""What was queued is done, once, whatever happens to the worker."""

import asyncio
import json
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from procrastinate import RetryStrategy
from psycopg_pool.base import AttemptWithBackoff
from sqlmodel import func, select, update

from app.accounts import erasures, links
from app.accounts.service import confirm_link
from app.billing import apply, event_store, notices
from app.core import outbox
from app.core.clock import DB_NOW, utc_now
from app.integrations.mail import list_stored
from app.jobs import app as jobs_app
from app.jobs import billing, housekeeping, mail, trials, usage
from app.keys import exposure, leaks
from app.metering import partitions
from app.models import (
    IdempotencyRecord,
    OAuthStateUse,
    Session,
    SignInLink,
    VerificationToken,
)
from app.trials import notices as trial_notices
from tests.api.browser import make_settings
from tests.e2e.mailbox import link_in, running_mailbox
from tests.factories import make_session, make_user

ASKED = links.LinkRequest(email="ada@example.com", name="Ada", company=None, next="/keys/")
SECONDS = 10
PATIENT = mail.RETRY


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Tries again at once what in earnest waits."""
    monkeypatch.setattr(mail, "RETRY", RetryStrategy(max_attempts=8))
    monkeypatch.setattr(jobs_app, "RESTART_SECONDS", 0.01)
    monkeypatch.setattr(jobs_app, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.01)


@pytest.fixture
def use_settings(monkeypatch, tmp_path):
    def use(**values):
        settings = make_settings(tmp_path, **values)
        monkeypatch.setattr(mail, "get_settings", lambda: settings)
        return settings

    use()
    return use


@pytest.fixture
def admin(database_url):
    """The database as another program sees it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET search_path = latchkey, public")
        yield connection


@pytest.fixture
def stored_mails(use_settings, tmp_path):
    return lambda: list_stored(tmp_path / "mail")


def job_rows(admin, task=links.SEND_TASK):
    """The task's jobs, all their columns. Periodic tasks come and go beside them."""
    rows = admin.execute(
        "SELECT to_jsonb(j) FROM procrastinate_jobs j WHERE task_name = %s ORDER BY id", [task]
    )
    return [row[0] for row in rows]


def take_job(admin):
    """Take the next job, as a worker of another process does."""
    worker_id = admin.execute("SELECT * FROM procrastinate_register_worker_v1()").fetchone()[0]
    admin.execute("SELECT * FROM procrastinate_fetch_job_v2(NULL, %s)", [worker_id])


async def until(is_so):
    """Return what is asked for once it is there."""
    async with asyncio.timeout(SECONDS):
        while not (found := is_so()):  # noqa: ASYNC110  # mails and other processes can only be asked
            await asyncio.sleep(0.01)
    return found


async def ask(unit_of_work):
    async with unit_of_work() as session:
        return await links.request_link(session, ASKED, browser="mine")


async def confirm(unit_of_work, link):
    async with unit_of_work() as session:
        return await confirm_link(
            session,
            link.partition("token=")[2],
            browser="mine",
            knowingly=False,
            user_agent=None,
            ip_address=None,
        )


async def test_link_that_was_asked_for_is_mailed_and_works(unit_of_work, stored_mails, admin):
    async with jobs_app.running_jobs():
        await ask(unit_of_work)
        [stored] = await until(stored_mails)
        await until(lambda: not job_rows(admin))
    assert stored.to == "ada@example.com"
    assert stored.link.startswith("http://localhost:8000/auth/email/confirm?token=")
    assert (await confirm(unit_of_work, stored.link))[1] == "/keys/"


async def test_what_was_asked_for_while_no_worker_ran_is_mailed_later(unit_of_work, stored_mails):
    await ask(unit_of_work)
    async with jobs_app.running_jobs():
        assert await until(stored_mails)


async def test_job_of_a_link_that_is_gone_sends_nothing(unit_of_work, stored_mails, admin):
    async with unit_of_work() as session:
        await outbox.defer(session, links.SEND_TASK, link_id="gone")
    async with jobs_app.running_jobs():
        await until(lambda: not job_rows(admin))
    assert stored_mails() == []


async def test_mail_that_the_server_first_refuses_arrives_once(unit_of_work, use_settings, admin):
    seen = []

    def watch_jobs():
        seen.extend(json.dumps(row) for row in job_rows(admin))
        return mailbox.mails and not job_rows(admin)

    with running_mailbox() as (mailbox, url):
        use_settings(smtp_url=url)
        mailbox.refusals = ["451 try later", "451 try later"]
        await ask(unit_of_work)
        async with jobs_app.running_jobs():
            await until(watch_jobs)
    assert mailbox.refusals == []
    [arrived] = mailbox.mails
    token = link_in(arrived).partition("token=")[2]
    assert seen
    assert not any(token in row for row in seen)
    assert await confirm(unit_of_work, link_in(arrived))


async def test_only_the_token_of_the_last_try_works(unit_of_work, use_settings, admin, monkeypatch):
    tried = []

    class Flaky:
        async def send(self, mail):
            tried.append(mail)
            if len(tried) < 3:
                raise ConnectionError("after the server had taken it")

    monkeypatch.setattr(mail, "make_mailer", lambda settings: Flaky())
    await ask(unit_of_work)
    async with jobs_app.running_jobs():
        await until(lambda: not job_rows(admin))
    assert len(tried) == 3
    assert len({one.message_id for one in tried}) == 1
    assert tried[0].message_id.endswith("@localhost>")
    mailed = [next(word for word in one.text.split() if "token=" in word) for one in tried]
    for old in mailed[:-1]:
        with pytest.raises(links.LinkInvalid):
            await confirm(unit_of_work, old)
    assert await confirm(unit_of_work, mailed[-1])


async def test_mail_that_is_never_taken_is_given_up_and_kept_to_look_at(
    unit_of_work, use_settings, admin, monkeypatch
):
    monkeypatch.setattr(mail, "RETRY", RetryStrategy(max_attempts=2))
    use_settings(smtp_url="smtp://127.0.0.1:1")
    link_id = await ask(unit_of_work)
    async with jobs_app.running_jobs():
        await until(lambda: job_rows(admin)[0]["status"] == "failed")
    [row] = job_rows(admin)
    assert (row["attempts"], row["args"]) == (3, {"link_id": link_id})


def test_tries_go_on_for_some_minutes_and_end():
    waits = [PATIENT.exponential_wait ** (attempt + 1) for attempt in range(PATIENT.max_attempts)]
    assert (PATIENT.wait, PATIENT.linear_wait) == (0, 0)
    assert 300 < sum(waits) < 600


def test_tasks_keep_their_names_however_often_a_worker_starts(database_url):
    first, second = jobs_app.make_jobs(), jobs_app.make_jobs()
    ours = {name for name in first.tasks if not name.startswith(("builtin", "procrastinate"))}
    queued = {
        "accounts:plan_started",
        "accounts:send_exposure_notice",
        "accounts:send_leak_notice",
        "accounts:send_sign_in_link",
        "billing:apply_events",
        "billing:reconcile_from",
        "billing:send_notice",
        "erasure:erase",
        "trials:delete_ended_from",
        "trials:send_notice",
        "housekeeping:verify_usage_from",
    }
    by_the_clock = {
        "accounts:convert_overdue",
        "billing:apply_overdue",
        "billing:reconcile_all",
        "erasure:erase_due",
        "housekeeping:delete_stale",
        "housekeeping:make_months",
        "housekeeping:retry_stalled",
        "housekeeping:sweep_usage",
        "housekeeping:tell_of_leaks",
        "housekeeping:verify_all_usage",
        "housekeeping:verify_recent_usage",
        "trials:delete_ended",
        "trials:follow_ends",
    }
    assert ours == queued | by_the_clock
    assert ours <= set(second.tasks)
    assert queued == {
        links.SEND_TASK,
        exposure.NOTICE_TASK,
        leaks.NOTICE_TASK,
        usage.VERIFY_TASK,
        event_store.APPLY_TASK,
        notices.NOTICE_TASK,
        billing.RECONCILE_TASK,
        apply.PLAN_STARTED_TASK,
        trials.DELETE_TASK,
        trial_notices.NOTICE_TASK,
        erasures.ERASE_TASK,
    }
    periodic = {name for name, _ in second.periodic_registry.periodic_tasks}
    assert periodic == by_the_clock


async def test_worker_that_loses_its_connections_works_on(unit_of_work, stored_mails, admin):
    async with jobs_app.running_jobs():
        await ask(unit_of_work)
        for mails in (1, 2, 3):
            await until(lambda number=mails: len(stored_mails()) == number)
            await until(lambda: not job_rows(admin))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await ask(unit_of_work)
        await until(lambda: len(stored_mails()) == 4)


async def test_worker_that_breaks_is_started_again_with_all_its_tasks(
    unit_of_work, stored_mails, monkeypatch, caplog
):
    make, made = jobs_app.make_jobs, []

    async def break_down(**options):
        raise psycopg.OperationalError("the database went away")

    def make_one():
        made.append(make())
        if len(made) < 3:
            made[-1].run_worker_async = break_down
        return made[-1]

    monkeypatch.setattr(jobs_app, "make_jobs", make_one)
    async with jobs_app.running_jobs():
        await ask(unit_of_work)
        await until(stored_mails)
    assert len(made) == 3
    assert caplog.text.count("The job worker stopped; starting it again") == 2


async def test_job_of_a_killed_worker_is_taken_up_again(unit_of_work, stored_mails, admin):
    await ask(unit_of_work)
    take_job(admin)
    admin.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
    assert [row["status"] for row in job_rows(admin)] == ["doing"]
    async with unit_of_work() as session:
        await outbox.defer(session, "housekeeping:retry_stalled", timestamp=0)
    async with jobs_app.running_jobs():
        await until(stored_mails)
        await until(lambda: not job_rows(admin))


async def test_job_in_work_is_not_taken_from_its_worker(unit_of_work, stored_mails, admin):
    await ask(unit_of_work)
    take_job(admin)
    async with unit_of_work() as session:
        await outbox.defer(session, "housekeeping:retry_stalled", timestamp=0)
    async with jobs_app.running_jobs():
        await until(lambda: not job_rows(admin, "housekeeping:retry_stalled"))
    assert [row["status"] for row in job_rows(admin)] == ["doing"]
    assert stored_mails() == []


async def test_job_whose_worker_could_not_note_its_end_is_taken_up_again(
    unit_of_work, stored_mails, admin
):
    await ask(unit_of_work)
    take_job(admin)
    admin.execute("UPDATE procrastinate_events SET at = now() - interval '11 minutes'")
    async with unit_of_work() as session:
        await outbox.defer(session, "housekeeping:retry_stalled", timestamp=0)
    async with jobs_app.running_jobs():
        await until(stored_mails)


async def test_unfinished_job_gets_a_moment_when_the_worker_stops(
    unit_of_work, use_settings, admin, monkeypatch
):
    begun, done = asyncio.Event(), []

    class Slow:
        async def send(self, mail):
            begun.set()
            await asyncio.sleep(0.1)
            done.append(mail)

    monkeypatch.setattr(mail, "make_mailer", lambda settings: Slow())
    await ask(unit_of_work)
    async with jobs_app.running_jobs():
        await asyncio.wait_for(begun.wait(), SECONDS)
    assert len(done) == 1
    assert job_rows(admin) == []


async def test_what_ended_by_time_is_deleted(unit_of_work, use_settings, admin):
    long_ago = DB_NOW - timedelta(days=2)
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_session(session, user, expires=utc_now() - timedelta(days=1))
        await make_session(session, user)
    async with unit_of_work() as session:
        await links.issue_token(session, await links.request_link(session, ASKED, browser="old"))
        await session.exec(update(SignInLink).values(created_at=long_ago))
        await session.exec(update(VerificationToken).values(expires=long_ago))
        for digest, expires_at in ((b"old", long_ago), (b"new", DB_NOW + timedelta(hours=1))):
            session.add(
                IdempotencyRecord(
                    digest=digest, fingerprint=b"", call_id="x", expires_at=expires_at
                )
            )
        for state, used_at in (("old", long_ago), ("new", DB_NOW)):
            session.add(OAuthStateUse(state_hash=state, used_at=used_at))
    admin.execute("DELETE FROM procrastinate_jobs")
    await run_task(unit_of_work, admin, "housekeeping:delete_stale")
    gone_and_left = (
        (SignInLink, 0),
        (VerificationToken, 0),
        (Session, 1),
        (IdempotencyRecord, 1),
        (OAuthStateUse, 1),
    )
    async with unit_of_work() as session:
        for model, left in gone_and_left:
            assert (await session.exec(select(func.count()).select_from(model))).one() == left


async def test_failed_jobs_are_kept_for_a_week(unit_of_work, use_settings, admin):
    for days in (6, 8):
        job = admin.execute("SELECT defer_job('x', '{}')").fetchone()[0]
        admin.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job])
        admin.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job])
        admin.execute(
            "UPDATE procrastinate_events SET at = now() - %s * interval '1 day' WHERE job_id = %s",
            [days, job],
        )
    assert housekeeping.FAILED_JOBS_KEPT_HOURS == 7 * 24
    await run_task(unit_of_work, admin, "housekeeping:delete_stale")
    assert len(job_rows(admin, "x")) == 1


async def test_months_are_made_ahead(unit_of_work, use_settings, admin, monkeypatch):
    further = partial(partitions.make_months, ahead=partitions.MONTHS_AHEAD + 2)
    monkeypatch.setattr(partitions, "make_months", further)
    count = "SELECT count(*) FROM pg_inherits WHERE inhparent = '\"ApiCall\"'::regclass"
    before = admin.execute(count).fetchone()[0]
    await run_task(unit_of_work, admin, "housekeeping:make_months")
    assert admin.execute(count).fetchone()[0] == before + 2


async def run_task(unit_of_work, admin, name):
    """Queue the task, and return when it has been done."""
    async with unit_of_work() as session:
        await outbox.defer(session, name, timestamp=0)
    async with jobs_app.running_jobs():
        await until(lambda: not job_rows(admin, name))
