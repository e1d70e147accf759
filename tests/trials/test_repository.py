"""The document's query "active trial workspaces with keys"."""

from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.trials.repository import list_active_trials
from tests.conftest import UnitOfWork
from tests.factories import make_trial_key, make_user, make_workspace
from tests.statements import counted_statements


async def test_active_trials_come_with_all_their_keys(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        second = await make_workspace(session, owner)
        earlier = utc_now() - timedelta(days=1)
        first = await make_workspace(session, owner, created_at=earlier)
        keys = [(await make_trial_key(session, first))[0] for _ in range(2)]
        revoked, _ = await make_trial_key(session, first, status="revoked")
    async with unit_of_work() as session:
        trials = await list_active_trials(session, owner.id)
    assert [trial.workspace.id for trial in trials] == [first.id, second.id]
    assert {key.id for key in trials[0].keys} == {key.id for key in [*keys, revoked]}
    assert list(trials[1].keys) == []


@pytest.mark.parametrize("status", ["expired", "converted", "cancelled"])
async def test_trial_that_ended_is_not_listed(unit_of_work: UnitOfWork, status: str) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_workspace(session, owner, status=status)
        assert await list_active_trials(session, owner.id) == []


async def test_trial_past_its_end_is_not_listed_though_its_status_says_active(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        over = utc_now() - timedelta(seconds=1)
        await make_workspace(session, owner, expires_at=over)
        assert await list_active_trials(session, owner.id) == []


async def test_somebody_elses_trial_is_not_listed(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        stranger = await make_user(session)
        await make_trial_key(session, await make_workspace(session, owner))
        assert await list_active_trials(session, stranger.id) == []


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_listing_trials_takes_two_statements(unit_of_work: UnitOfWork, count: int) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        for _ in range(count):
            await make_trial_key(session, await make_workspace(session, owner))
    async with unit_of_work() as session:
        with counted_statements() as statements:
            assert len(await list_active_trials(session, owner.id)) == count
    assert len(statements) == 2
