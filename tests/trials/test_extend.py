"""Making a trial longer."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select

from app.core.clock import utc_now
from app.core.errors import InvalidRequest, NotFound
from app.models import TrialExtension, TrialWorkspace
from app.trials.claims import TrialTaken
from app.trials.extend import Extended, extend_trial
from app.trials.repository import list_active_trials
from app.trials.service import start_trial
from app.trials.states import TrialMoveRefused
from tests.conftest import UnitOfWork
from tests.factories import make_user, make_workspace

DAY = timedelta(days=1)
CLOSE = timedelta(minutes=1)


async def make(unit_of_work: UnitOfWork, **overrides: object) -> TrialWorkspace:
    async with unit_of_work() as session:
        return await make_workspace(session, await make_user(session), **overrides)


async def extend(
    unit_of_work: UnitOfWork, slug: str, days: int = 7, reason: str = "asked kindly"
) -> Extended:
    async with unit_of_work() as session:
        return await extend_trial(session, slug, days=days, reason=reason)


async def test_running_trial_ends_later(unit_of_work: UnitOfWork) -> None:
    trial = await make(unit_of_work)
    done = await extend(unit_of_work, trial.slug, 7)
    async with unit_of_work() as session:
        kept = await session.get_one(TrialWorkspace, trial.id)
        [row] = (await session.exec(select(TrialExtension))).all()
    assert not done.was_over
    assert kept.status == "active"
    assert (done.ended_at, done.ends_at) == (row.ended_at, row.ends_at)
    assert kept.expires_at == done.ends_at == done.ended_at + 7 * DAY
    assert (row.workspace_id, row.days, row.reason) == (trial.id, 7, "asked kindly")


@pytest.mark.parametrize("status", ["active", "expired"])
async def test_trial_that_is_over_runs_again_from_now_on(
    unit_of_work: UnitOfWork, status: str
) -> None:
    ended_at = utc_now() - 5 * DAY
    trial = await make(unit_of_work, status=status, expires_at=ended_at)
    done = await extend(unit_of_work, trial.slug, 3)
    async with unit_of_work() as session:
        kept = await session.get_one(TrialWorkspace, trial.id)
    assert done.was_over
    assert abs(done.ended_at - ended_at) < CLOSE
    assert kept.status == "active"
    assert kept.expires_at == done.ends_at
    assert abs(kept.expires_at - utc_now() - 3 * DAY) < CLOSE


async def test_extensions_add_up(unit_of_work: UnitOfWork) -> None:
    trial = await make(unit_of_work)
    first = await extend(unit_of_work, trial.slug, 1)
    second = await extend(unit_of_work, trial.slug, 365, "r" * 500)
    assert second.ended_at == first.ends_at
    assert second.ends_at - first.ended_at == 366 * DAY


@pytest.mark.parametrize(
    "overrides",
    [
        {"status": "converted", "converted_at": utc_now()},
        {"status": "cancelled", "cancelled_at": utc_now()},
        {"status": "expired", "expires_at": utc_now() - 30 * DAY},
        {"status": "something else"},
    ],
)
async def test_trial_that_is_settled_stays_so(
    unit_of_work: UnitOfWork, overrides: dict[str, object]
) -> None:
    trial = await make(unit_of_work, **overrides)
    with pytest.raises(TrialMoveRefused):
        await extend(unit_of_work, trial.slug)
    async with unit_of_work() as session:
        kept = await session.get_one(TrialWorkspace, trial.id)
        assert kept.status == trial.status
        assert abs(kept.expires_at - trial.expires_at) < CLOSE
        assert (await session.exec(select(TrialExtension))).all() == []


async def test_second_running_trial_of_a_tier_is_refused(unit_of_work: UnitOfWork) -> None:
    over = utc_now() - DAY
    async with unit_of_work() as session:
        owner = await make_user(session)
        old = await make_workspace(session, owner, expires_at=over)
        await make_workspace(session, owner, tier="enterprise")
        running = await make_workspace(session, owner)
    with pytest.raises(TrialMoveRefused) as refusal:
        await extend(unit_of_work, old.slug)
    assert "another running trial" in refusal.value.detail
    await extend(unit_of_work, running.slug)


async def test_start_and_revival_at_once_leave_one_running_trial(unit_of_work: UnitOfWork) -> None:
    old = await make(unit_of_work, expires_at=utc_now() - DAY)

    async def start() -> None:
        async with unit_of_work() as session:
            await start_trial(session, old.owner_id, name="Acme", tier_id=old.tier)

    results = await asyncio.gather(start(), extend(unit_of_work, old.slug), return_exceptions=True)
    assert sum(isinstance(result, TrialMoveRefused | TrialTaken) for result in results) == 1
    async with unit_of_work() as session:
        assert len(await list_active_trials(session, old.owner_id)) == 1


async def test_days_have_limits_and_a_reason_is_required(unit_of_work: UnitOfWork) -> None:
    trial = await make(unit_of_work)
    wrong = [("days", days, "x") for days in (0, -1, 366)]
    wrong += [("reason", 1, reason) for reason in ("", "  ", "x" * 501, "\x00")]
    for field, days, reason in wrong:
        with pytest.raises(InvalidRequest) as refusal:
            await extend(unit_of_work, trial.slug, days, reason)
        assert set(refusal.value.fields) == {field}


async def test_unknown_slug_is_said(unit_of_work: UnitOfWork) -> None:
    with pytest.raises(NotFound, match="no trial with this slug"):
        await extend(unit_of_work, "nothing")
