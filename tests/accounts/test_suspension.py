"""A suspended account makes no keys, loses nothing, and is opened again."""

import asyncio

import pytest
from sqlmodel import select

from app.accounts import suspension
from app.core.settings import Settings
from app.keys import rotation, service
from app.keys.options import parse_options
from app.models import ApiKeyMetadata, User, UserDetail
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_user

ANY = parse_options(label="any")


@pytest.fixture
async def ada(unit_of_work: UnitOfWork) -> User:
    async with unit_of_work() as session:
        return await make_user(session)


async def suspend(unit_of_work: UnitOfWork, user: User, reason: str = "abuse") -> None:
    async with unit_of_work() as session:
        await suspension.suspend(session, user.id, reason=reason, suspended_by="ops")


async def find(unit_of_work: UnitOfWork, user: User) -> suspension.Suspension | None:
    async with unit_of_work() as session:
        return await suspension.find_suspension(session, user.id)


async def make(unit_of_work: UnitOfWork, user: User) -> str:
    async with unit_of_work() as session:
        return (await service.create_key(session, user.id, options=ANY, limit=5)).id


async def test_suspension_says_since_when_why_and_by_whom(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    assert await find(unit_of_work, ada) is None
    await suspend(unit_of_work, ada)
    found = await find(unit_of_work, ada)
    assert found is not None
    assert (found.reason, found.suspended_by) == ("abuse", "ops")


async def test_suspending_again_keeps_since_when_and_takes_the_reason(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    await suspend(unit_of_work, ada)
    first = await find(unit_of_work, ada)
    await suspend(unit_of_work, ada, "fraud")
    found = await find(unit_of_work, ada)
    assert first is not None
    assert found is not None
    assert (found.since, found.reason) == (first.since, "fraud")


async def test_other_facts_of_the_account_stay(unit_of_work: UnitOfWork, ada: User) -> None:
    async with unit_of_work() as session:
        session.add(UserDetail(user_id=ada.id, log_seen_at=ada.created_at))
    await suspend(unit_of_work, ada)
    async with unit_of_work() as session:
        assert await suspension.restore(session, ada.id)
        detail = await session.get_one(UserDetail, ada.id)
        assert detail.log_seen_at == ada.created_at
        assert (detail.suspended_at, detail.suspension_reason, detail.suspended_by) == (None,) * 3


async def test_restoring_what_is_not_suspended_says_so(unit_of_work: UnitOfWork, ada: User) -> None:
    async with unit_of_work() as session:
        assert not await suspension.restore(session, ada.id)


async def test_no_key_is_made_or_rotated_until_it_is_restored(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    async with unit_of_work() as session:
        key, _ = await make_key(session, ada)
    await suspend(unit_of_work, ada)
    with pytest.raises(suspension.Suspended):
        await make(unit_of_work, ada)
    with pytest.raises(suspension.Suspended):
        async with unit_of_work() as session:
            await rotation.rotate_key(session, ada.id, key.id, grace="now")
    async with unit_of_work() as session:
        assert [row.status for row in (await session.exec(select(ApiKeyMetadata))).all()] == [
            "active"
        ]
        await suspension.restore(session, ada.id)
    await make(unit_of_work, ada)


async def test_key_that_is_being_made_is_made_before_the_suspension_or_not_at_all(
    unit_of_work: UnitOfWork, ada: User
) -> None:
    async with unit_of_work() as session:
        # where there is none yet, inserting it would wait for the account's row by itself
        session.add(UserDetail(user_id=ada.id))
    async with unit_of_work() as session:
        await service.create_key(session, ada.id, options=ANY, limit=5)
        suspending = asyncio.create_task(suspend(unit_of_work, ada))
        _, waiting = await asyncio.wait({suspending}, timeout=0.2)
        assert waiting == {suspending}
    await suspending
    with pytest.raises(suspension.Suspended):
        await make(unit_of_work, ada)


async def test_another_account_is_not_touched(unit_of_work: UnitOfWork, ada: User) -> None:
    async with unit_of_work() as session:
        other = await make_user(session)
    await suspend(unit_of_work, ada)
    await make(unit_of_work, other)


def test_refusal_says_to_whom_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(mail_from="Engines <help@engines.example>")
    monkeypatch.setattr(suspension, "get_settings", lambda: settings)
    assert "Write to help@engines.example to" in suspension.Suspended().detail
