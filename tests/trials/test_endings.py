"""What is over is written down; what somebody is at is left alone."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import func, select

from app.core.clock import utc_now
from app.models import TrialWorkspace
from app.trials import endings
from app.trials.endings import follow_ends
from tests.conftest import UnitOfWork
from tests.factories import make_user, make_workspace
from tests.trials.passing import pass_time

SECOND = timedelta(seconds=1)


async def statuses(unit_of_work: UnitOfWork) -> dict[str, int]:
    statement = select(TrialWorkspace.status, func.count()).group_by(TrialWorkspace.status)
    async with unit_of_work() as session:
        return dict((await session.exec(statement)).all())


async def follow(unit_of_work: UnitOfWork) -> int:
    async with unit_of_work() as session:
        return await follow_ends(session)


async def test_trial_expires_with_its_second_and_not_before(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_workspace(session, owner, expires_at=utc_now() + timedelta(minutes=1))
    await pass_time(unit_of_work, timedelta(seconds=50))
    assert await follow(unit_of_work) == 0
    assert await statuses(unit_of_work) == {"active": 1}
    await pass_time(unit_of_work, timedelta(seconds=10))
    assert await follow(unit_of_work) == 1
    assert await statuses(unit_of_work) == {"expired": 1}
    assert await follow(unit_of_work) == 0


async def test_trial_that_ended_otherwise_keeps_its_status(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        for status in ("converted", "cancelled", "expired", "paused by another program"):
            await make_workspace(session, owner, status=status, expires_at=utc_now() - SECOND)
    before = await statuses(unit_of_work)
    assert await follow(unit_of_work) == 0
    assert await statuses(unit_of_work) == before


async def test_trial_that_is_being_converted_is_left(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        trial = await make_workspace(session, owner, expires_at=utc_now() - SECOND)
    async with unit_of_work() as converting:
        held = await converting.get_one(TrialWorkspace, trial.id, with_for_update=True)
        assert await asyncio.wait_for(follow(unit_of_work), 5) == 0
        held.status = "converted"
    assert await follow(unit_of_work) == 0
    assert await statuses(unit_of_work) == {"converted": 1}


async def test_many_are_followed_in_batches_by_several_at_once(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "_AT_ONCE", 3)
    async with unit_of_work() as session:
        owner = await make_user(session)
        for _ in range(10):
            await make_workspace(session, owner, expires_at=utc_now() - SECOND)
    assert await follow(unit_of_work) == 3
    counts = await asyncio.gather(*(follow(unit_of_work) for _ in range(4)))
    assert max(counts) <= 3
    while await follow(unit_of_work):
        pass
    assert await statuses(unit_of_work) == {"expired": 10}
