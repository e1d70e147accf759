"""What is done with a trial holds within a second where calls are let in."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.metering.meter import Meter
from app.models import TrialWorkspace
from app.trials.extend import extend_trial
from app.trials.keys import create_key, revoke_key
from app.trials.service import cancel_trial
from tests.conftest import UnitOfWork
from tests.factories import make_trial_key, make_user, make_workspace
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import running

Act = Callable[[AsyncSession, TrialWorkspace, str], Awaitable[object]]


async def cancel(session: AsyncSession, trial: TrialWorkspace, key_id: str) -> None:
    await cancel_trial(session, trial.owner_id, trial.slug, confirm=trial.name)


async def revoke(session: AsyncSession, trial: TrialWorkspace, key_id: str) -> None:
    await revoke_key(session, trial.owner_id, trial.slug, key_id)


async def seconds_until(meter: Meter, secret: str, status: int) -> float:
    began_at = time.monotonic()
    async with asyncio.timeout(2):
        while (await ask(meter, key=secret)).status != status:
            pass
    return time.monotonic() - began_at


@pytest.mark.parametrize("act", [cancel, revoke])
async def test_key_is_refused_within_a_second(
    unit_of_work: UnitOfWork, database_url: str, act: Act
) -> None:
    async with unit_of_work() as session:
        trial = await make_workspace(session, await make_user(session))
        key = await create_key(session, trial.owner_id, trial.slug, label="x")
    async with running(answering(), database_url) as meter:
        answer = await ask(meter, key=key.secret)
        assert answer.status == 200
        assert "x-trial-ends" in answer.headers
        async with unit_of_work() as session:
            await act(session, trial, key.id)
        assert await seconds_until(meter, key.secret, 401) < 1


async def test_key_works_again_within_a_second_of_an_extension(
    unit_of_work: UnitOfWork, database_url: str
) -> None:
    over = utc_now() - timedelta(days=1)
    async with unit_of_work() as session:
        trial = await make_workspace(session, await make_user(session), expires_at=over)
        _, secret = await make_trial_key(session, trial)
    async with running(answering(), database_url) as meter:
        assert (await ask(meter, key=secret)).status == 402
        async with unit_of_work() as session:
            await extend_trial(session, trial.slug, days=1, reason="x")
        assert await seconds_until(meter, secret, 200) < 1
