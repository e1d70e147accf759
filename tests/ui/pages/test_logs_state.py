"""What the log page shows of floods and of streams, and that it follows them."""

import pytest
from sqlmodel import update

from app.models import ApiCall, ApiKeyMetadata, CallNote, User
from app.ui.pages.logs import LogsState
from tests.conftest import UnitOfWork
from tests.factories import (
    make_call,
    make_key,
    make_trial_call,
    make_trial_key,
    make_user,
    make_workspace,
)
from tests.ui.pages.people import sign_in


@pytest.fixture
async def call(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> ApiCall:
    """A recorded call of the signed-in customer."""
    async with unit_of_work() as session:
        user = await make_user(session)
        key, _ = await make_key(session, user)
        made = await make_call(session, key, status_code=429, units=0)
    sign_in(monkeypatch, user)
    return made


async def test_row_says_for_how_many_refusals_it_stands(
    unit_of_work: UnitOfWork, call: ApiCall
) -> None:
    state = LogsState(_reflex_internal_init=True)
    await state.load()
    [row] = state.rows
    assert (row.times, row.is_aborted) == ("", False)
    async with unit_of_work() as session:
        session.add(CallNote(call_id=call.id, times=1040, aborted=False))
    await state.refresh()
    [row] = state.rows
    assert (row.times, row.is_aborted) == ("\N{MULTIPLICATION SIGN} 1,040", False)


async def test_row_follows_its_stream_to_the_end(unit_of_work: UnitOfWork, call: ApiCall) -> None:
    state = LogsState(_reflex_internal_init=True)
    await state.load()
    async with unit_of_work() as session:
        session.add(CallNote(call_id=call.id, aborted=True))
        await session.exec(update(ApiCall).values(latency_ms=2500))
    await state.refresh()
    [row] = state.rows
    assert (row.times, row.is_aborted, row.latency) == ("", True, "2,500 ms")


async def test_refresh_keeps_the_order_and_doubles_nothing(
    unit_of_work: UnitOfWork, call: ApiCall
) -> None:
    state = LogsState(_reflex_internal_init=True)
    await state.load()
    async with unit_of_work() as session:
        key = call.api_key_id
        newer = await make_call(session, await session.get_one(ApiKeyMetadata, key))
    await state.refresh()
    assert [row.id for row in state.rows] == [newer.id, call.id]
    state.dirty_vars.clear()
    await state.refresh()
    assert "rows" not in state.dirty_vars


async def test_row_of_a_trials_call_names_its_trial(
    unit_of_work: UnitOfWork, call: ApiCall
) -> None:
    async with unit_of_work() as session:
        workspace = await make_workspace(session, User(id=call.owner_id), slug="acme")
        key, _ = await make_trial_key(session, workspace, label="first try")
        await make_trial_call(session, key)
    state = LogsState(_reflex_internal_init=True)
    await state.load()
    assert [(row.key, row.trial) for row in state.rows] == [("first try", "acme"), ("Test", "")]
