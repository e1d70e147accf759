"""Who is told of a key that was in a URL, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select, text, update

from app.core.clock import utc_now
from app.keys import leaks
from app.models import KeyLeak
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_trial_key, make_user, make_workspace

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def leak(session: Any, key_id: str, seen_at: datetime = NOON, times: int = 3) -> None:
    session.add(KeyLeak(key_id=key_id, first_seen_at=NOON, last_seen_at=seen_at, times=times))


async def queued(unit_of_work: UnitOfWork) -> list[dict[str, str]]:
    async with unit_of_work() as session:
        await leaks.queue_notices(session)
    async with unit_of_work() as session:
        await session.exec(text("SET LOCAL search_path = latchkey, public"))  # its triggers'
        rows = await session.exec(
            text("DELETE FROM latchkey.procrastinate_jobs RETURNING args, task_name")
        )
        found = rows.all()
    assert {row[1] for row in found} <= {leaks.NOTICE_TASK}
    return [row[0] for row in found]


async def test_owner_is_told_once_for_each_key_and_day(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        await leak(session, "key")
        await leak(session, "other")
    told = await queued(unit_of_work)
    assert sorted(one["key_id"] for one in told) == ["key", "other"]
    assert {one["day"] for one in told} == {"2026-11-23"}
    for later, days in (
        (NOON + timedelta(hours=11, minutes=59), []),
        (NOON + timedelta(hours=12), ["2026-11-24"]),
        (NOON + timedelta(days=3), ["2026-11-26"]),
    ):
        async with unit_of_work() as session:
            statement = update(KeyLeak).where(KeyLeak.key_id == "key")
            await session.exec(statement.values(last_seen_at=later))
        assert [one["day"] for one in await queued(unit_of_work)] == days
        assert await queued(unit_of_work) == []


async def test_mail_is_queued_only_if_the_day_is_noted(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        await leak(session, "key")
    async with unit_of_work() as session:
        assert await leaks.queue_notices(session) == 1
        await session.rollback()
    async with unit_of_work() as session:
        assert (await session.exec(select(KeyLeak.told_on))).one() is None
    assert len(await queued(unit_of_work)) == 1


async def test_many_are_told_a_hundred_at_a_time(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        for number in range(150):
            await leak(session, str(number))
    for count in (100, 50, 0):
        assert len(await queued(unit_of_work)) == count


async def test_notice_says_which_key_of_whom(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        key, secret = await make_key(session, user, label="production")
        trial, _ = await make_trial_key(session, await make_workspace(session, user))
        for one in (key, trial):
            await leak(session, one.id)
    async with unit_of_work() as session:
        live = await leaks.find_notice(session, key.id)
        of_trial = await leaks.find_notice(session, trial.id)
        assert await leaks.find_notice(session, "gone") is None
    assert live == leaks.LeakNotice(False, user.email, "production", secret[:12], NOON, 3)
    assert of_trial is not None
    assert (of_trial.is_trial, of_trial.to, of_trial.times) == (True, user.email, 3)


@pytest.mark.parametrize(
    ("status", "changes", "detail", "owner"),
    [
        ("revoked", {}, {}, {}),
        ("active", {"revoked_at": NOON}, {}, {}),
        ("active", {}, {"expires_at": NOON}, {}),
        ("active", {}, {"grace_ends_at": NOON}, {}),
        ("pending_verification", {}, {}, {"email_verified": None}),
    ],
)
async def test_nobody_is_told_of_a_key_that_does_not_work(
    unit_of_work: UnitOfWork,
    status: str,
    changes: dict[str, Any],
    detail: dict[str, Any],
    owner: dict[str, Any],
) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, **owner)
        key, _ = await make_key(session, user, status=status, detail=detail, **changes)
        await leak(session, key.id)
        assert await leaks.find_notice(session, key.id) is None


@pytest.mark.parametrize(
    ("key_changes", "trial_changes"),
    [({"status": "revoked"}, {}), ({"status": "converted"}, {}), ({}, {"expires_at": NOON})],
)
async def test_nobody_is_told_of_a_trial_key_that_does_not_work(
    unit_of_work: UnitOfWork, key_changes: dict[str, Any], trial_changes: dict[str, Any]
) -> None:
    async with unit_of_work() as session:
        workspace = await make_workspace(session, await make_user(session), **trial_changes)
        key, _ = await make_trial_key(session, workspace, **key_changes)
        await leak(session, key.id)
        assert await leaks.find_notice(session, key.id) is None


async def test_key_in_its_grace_still_works_and_is_told_of(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session)
        tomorrow = utc_now() + timedelta(days=1)
        key, _ = await make_key(session, user, detail={"grace_ends_at": tomorrow})
        await leak(session, key.id)
        assert await leaks.find_notice(session, key.id) is not None
