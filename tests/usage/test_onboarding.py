"""The three steps of a new customer tick themselves."""

import asyncio

import pytest
from sqlmodel import select

from app.models import UserDetail
from app.usage.onboarding import Progress, get_progress, note_log_seen
from tests.factories import (
    make_call,
    make_key,
    make_trial_call,
    make_trial_key,
    make_user,
    make_workspace,
)
from tests.statements import counted_statements


@pytest.fixture
async def user(unit_of_work):
    async with unit_of_work() as session:
        return await make_user(session)


async def progress(unit_of_work, user):
    async with unit_of_work() as session:
        return await get_progress(session, user.id)


async def see_log(unit_of_work, user):
    async with unit_of_work() as session:
        await note_log_seen(session, user.id)


async def seen_at(unit_of_work, user):
    async with unit_of_work() as session:
        return (await session.exec(select(UserDetail.log_seen_at))).one()


async def test_steps_are_done_one_after_the_other(unit_of_work, user):
    assert await progress(unit_of_work, user) == Progress(False, False, False)
    async with unit_of_work() as session:
        key, _ = await make_key(session, user)
    assert await progress(unit_of_work, user) == Progress(True, False, False)
    async with unit_of_work() as session:
        await make_call(session, key)
    assert await progress(unit_of_work, user) == Progress(True, True, False)
    assert not (await progress(unit_of_work, user)).is_complete
    await see_log(unit_of_work, user)
    assert await progress(unit_of_work, user) == Progress(True, True, True)
    assert (await progress(unit_of_work, user)).is_complete


async def test_pending_key_counts_and_a_revoked_one_does_not(unit_of_work, user):
    async with unit_of_work() as session:
        revoked, _ = await make_key(session, user, status="revoked")
        await make_call(session, revoked)
    assert await progress(unit_of_work, user) == Progress(False, True, False)
    async with unit_of_work() as session:
        await make_key(session, user, status="pending_verification")
    assert (await progress(unit_of_work, user)).has_key


async def test_refused_call_counts_as_a_call(unit_of_work, user):
    async with unit_of_work() as session:
        key, _ = await make_key(session, user)
        await make_call(session, key, status_code=422, units=0, owner_id=None)
    assert (await progress(unit_of_work, user)).has_call


async def test_trials_keys_and_their_calls_count(unit_of_work, user):
    async with unit_of_work() as session:
        workspace = await make_workspace(session, user)
        revoked, _ = await make_trial_key(session, workspace, status="revoked")
        await make_trial_call(session, revoked)
    assert await progress(unit_of_work, user) == Progress(False, True, False)
    async with unit_of_work() as session:
        await make_trial_key(session, workspace)
    assert await progress(unit_of_work, user) == Progress(True, True, False)


async def test_what_others_did_counts_for_nothing(unit_of_work, user):
    async with unit_of_work() as session:
        other = await make_user(session)
        key, _ = await make_key(session, other)
        await make_call(session, key)
        trial_key, _ = await make_trial_key(session, await make_workspace(session, other))
        await make_trial_call(session, trial_key)
        await note_log_seen(session, other.id)
    assert await progress(unit_of_work, user) == Progress(False, False, False)


async def test_first_look_at_the_log_is_the_one_that_is_kept(unit_of_work, user):
    await see_log(unit_of_work, user)
    first = await seen_at(unit_of_work, user)
    await asyncio.gather(*(see_log(unit_of_work, user) for _ in range(5)))
    assert await seen_at(unit_of_work, user) == first


async def test_look_is_noted_also_where_something_else_is_known_of_the_user(unit_of_work, user):
    async with unit_of_work() as session:
        session.add(UserDetail(user_id=user.id))
    await see_log(unit_of_work, user)
    assert await seen_at(unit_of_work, user) is not None


async def test_progress_is_one_statement(unit_of_work, user):
    async with unit_of_work() as session:
        with counted_statements() as statements:
            await get_progress(session, user.id)
    assert len(statements) == 1
