"""A suspended account starts no trial, and makes no keys in the one that it has."""

import pytest

from app.accounts import suspension
from app.models import User
from app.trials.keys import create_key
from app.trials.service import start_trial
from tests.conftest import UnitOfWork
from tests.factories import make_user, make_workspace


@pytest.fixture
async def suspended(unit_of_work: UnitOfWork) -> User:
    async with unit_of_work() as session:
        user = await make_user(session)
        await make_workspace(session, user, slug="acme")
        await suspension.suspend(session, user.id, reason="abuse", suspended_by="ops")
    return user


async def test_no_trial_is_started(unit_of_work: UnitOfWork, suspended: User) -> None:
    with pytest.raises(suspension.Suspended):
        async with unit_of_work() as session:
            await start_trial(session, suspended.id, name="Acme", tier_id="standard")


async def test_no_trial_key_is_made_until_it_is_restored(
    unit_of_work: UnitOfWork, suspended: User
) -> None:
    with pytest.raises(suspension.Suspended):
        async with unit_of_work() as session:
            await create_key(session, suspended.id, "acme", label="one")
    async with unit_of_work() as session:
        await suspension.restore(session, suspended.id)
        await create_key(session, suspended.id, "acme", label="one")
