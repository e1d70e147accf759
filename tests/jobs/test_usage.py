"""By night the counters are compared with the log, repaired and swept; leaks are told of."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app.core import outbox
from app.core.clock import utc_now
from app.integrations.mail import list_stored
from app.jobs import leaks as leak_jobs
from app.jobs import mail, usage
from app.jobs.app import make_jobs
from app.models import KeyLeak
from tests.api.browser import make_settings
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_trial_key, make_user, make_workspace
from tests.usage.log import Call, Log

QUEUED = """DELETE FROM latchkey.procrastinate_jobs RETURNING task_name, args"""


@pytest.fixture
def log(database_url: str, unit_of_work: UnitOfWork) -> Iterator[Log]:
    found = Log(database_url)
    found.execute("SET search_path = latchkey, public")
    found.begin()
    found.record([Call(minute=60 * hour) for hour in range(0, 60, 2)])
    found.fold()
    yield found
    found.close()


def wrong(log: Log) -> list[Any]:
    return log.execute(
        "SELECT * FROM latchkey.compare_hours('2000-01-01', '3000-01-01', NULL) "
    ) + log.execute(
        "SELECT * FROM latchkey.compare_periods(ARRAY['user-1'], '2000-01-01', '3000-01-01', false)"
    )


async def test_difference_is_repaired_and_said_as_an_error(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    log.execute('UPDATE latchkey."UsageHour" SET calls = 7 WHERE hour = (SELECT max(hour) '
                'FROM latchkey."UsageHour")')  # fmt: skip
    log.execute('UPDATE latchkey."UsagePeriod" SET units = 7')
    with caplog.at_level(logging.INFO):
        await usage.verify_all_usage(None, 0)  # type: ignore[arg-type]
    [said] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "counted 7 calls, 1 units, 5 ms; by the log 1 calls, 1 units, 5 ms" in said.getMessage()
    assert "counted 30 calls, 7 units; by the log 30 calls, 30 units" in said.getMessage()
    assert "2 counters differ: written anew" in said.getMessage()
    assert wrong(log) == []


async def test_agreement_is_no_error(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await usage.verify_all_usage(None, 0)  # type: ignore[arg-type]
    assert {one.levelno for one in caplog.records} == {logging.INFO}
    assert "the counters of 30 calls equal the log" in caplog.text


async def test_by_night_only_the_last_days_are_compared(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.execute('UPDATE latchkey."UsageHour" SET calls = 7')
    last = log.execute('SELECT max(hour) FROM latchkey."UsageHour"')[0][0]
    monkeypatch.setattr(usage, "utc_now", lambda: utc_now().replace(
        year=last.year, month=last.month, day=last.day, hour=last.hour
    ))  # fmt: skip
    await usage.verify_recent_usage(None, 0)  # type: ignore[arg-type]
    left = wrong(log)
    assert 0 < len(left) < 30
    assert max(row[1] for row in left) <= last - usage.RECENT
    await usage.verify_all_usage(None, 0)  # type: ignore[arg-type]
    assert wrong(log) == []


async def test_job_whose_time_is_up_leaves_the_rest_to_another(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.execute('UPDATE latchkey."UsageHour" SET calls = 7')
    monkeypatch.setattr(usage, "BUDGET_SECONDS", -1.0)
    await usage.verify_all_usage(None, 0)  # type: ignore[arg-type]
    [(task, args)] = log.execute(QUEUED)
    assert task == usage.VERIFY_TASK
    assert len(wrong(log)) == 30
    monkeypatch.setattr(usage, "BUDGET_SECONDS", 100.0)
    await usage.verify_usage_from(**args)
    assert wrong(log) == []
    assert log.execute(QUEUED) == []


async def test_what_is_gone_is_swept(log: Log) -> None:
    log.execute("""DELETE FROM "User" """)
    await usage.sweep_usage(None, 0)  # type: ignore[arg-type]
    for table in ("UsageHour", "UsagePeriod", "DeletedKey"):
        assert log.execute(f'SELECT count(*) FROM latchkey."{table}"') == [(0,)]


async def test_owner_of_a_leaked_key_gets_one_mail(
    log: Log, unit_of_work: UnitOfWork, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tmp_path)
    monkeypatch.setattr(mail, "get_settings", lambda: settings)
    async with unit_of_work() as session:
        user = await make_user(session)
        key, secret = await make_key(session, user, label="production")
        now = utc_now()
        session.add(KeyLeak(key_id=key.id, first_seen_at=now, last_seen_at=now, times=1))
    for _ in range(2):
        await leak_jobs.tell_of_leaks(None, 0)  # type: ignore[arg-type]
    [(task, args)] = log.execute(QUEUED)
    assert task in make_jobs().tasks
    for _ in range(2):  # a job may run twice: it is the same mail then
        await mail.send_leak_notice(**args)
    [stored] = list_stored(tmp_path / "mail")
    assert stored.to == user.email
    assert stored.subject == f"Your key production ({secret[:12]}…) was in a URL: rotate it"
    assert "It was part of a request's address once" in stored.text
    assert stored.link == "http://localhost:8000/keys/"
    assert secret not in stored.text


async def test_owner_of_a_trial_s_leaked_key_is_led_to_the_trials(
    unit_of_work: UnitOfWork, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tmp_path)
    monkeypatch.setattr(mail, "get_settings", lambda: settings)
    async with unit_of_work() as session:
        workspace = await make_workspace(session, await make_user(session))
        key, _ = await make_trial_key(session, workspace, label="laptop")
        now = utc_now()
        session.add(KeyLeak(key_id=key.id, first_seen_at=now, last_seen_at=now, times=1))
    await mail.send_leak_notice(key.id, "2026-11-23")
    [stored] = list_stored(tmp_path / "mail")
    assert stored.subject.endswith("was in a URL: replace it")
    assert stored.link == "http://localhost:8000/trials/"


async def test_nothing_is_mailed_of_a_key_that_was_revoked_meanwhile(
    unit_of_work: UnitOfWork, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tmp_path)
    monkeypatch.setattr(mail, "get_settings", lambda: settings)
    async with unit_of_work() as session:
        key, _ = await make_key(session, await make_user(session), status="revoked")
        now = utc_now()
        session.add(KeyLeak(key_id=key.id, first_seen_at=now, last_seen_at=now, times=1))
    await mail.send_leak_notice(key.id, "2026-11-23")
    assert list_stored(tmp_path / "mail") == []


async def test_tasks_run_by_their_names(log: Log, unit_of_work: UnitOfWork) -> None:
    log.execute('UPDATE latchkey."UsageHour" SET calls = 7')
    since = {"since": "0002-01-01T00:00:00+00:00"}
    async with unit_of_work() as session:
        await outbox.defer(session, usage.VERIFY_TASK, **since)
        for name in ("verify_recent_usage", "sweep_usage", "tell_of_leaks"):
            await outbox.defer(session, f"housekeeping:{name}", timestamp=0)
    jobs = make_jobs()
    async with jobs.open_async():
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)
    rows = log.execute("SELECT status::text FROM procrastinate_jobs WHERE id <= 4")
    assert {row[0] for row in rows} == {"succeeded"}
    assert wrong(log) == []
