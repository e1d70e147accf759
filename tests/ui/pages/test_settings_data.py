"""What the settings page lets a customer do with their data, and when it wants a sign-in first."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select, update

from app.core.clock import DB_NOW
from app.models import ApiKeyMetadata, Erasure, SessionDetail, User
from app.ui.pages.settings_data import GOES, STAYS, DataState, data_section
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_session, make_user
from tests.ui.pages.people import sign_in


@pytest.fixture
async def user(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> User:
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com")
        await make_session(session, user, id="session")
        await make_key(session, user)
    sign_in(monkeypatch, user)
    return user


@pytest.fixture
async def state(user: User) -> DataState:
    made = DataState(_reflex_internal_init=True)
    await made.enter_data()
    return made


async def let_time_pass(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        aged = DB_NOW - timedelta(minutes=15)
        await session.exec(update(SessionDetail).values(created_at=aged))


async def keys_and_erasures(unit_of_work: UnitOfWork) -> tuple[list[str], int]:
    async with unit_of_work() as session:
        keys = list((await session.exec(select(ApiKeyMetadata.status))).all())
        return keys, len((await session.exec(select(Erasure.id))).all())


async def test_typed_address_deletes_the_account(state: Any, unit_of_work: UnitOfWork) -> None:
    state.ask_to_erase()
    await state.erase_account({"confirm": "ada@example.com"})
    assert (state.is_asking, state.is_erased, state.confirm_error) == (True, True, "")
    assert await keys_and_erasures(unit_of_work) == (["revoked"], 1)


@pytest.mark.parametrize("form", [{}, {"confirm": "eve@example.com"}, {"confirm": ["x"]}])
async def test_anything_else_deletes_nothing_and_says_what_to_type(
    state: Any, form: dict[str, Any], unit_of_work: UnitOfWork
) -> None:
    state.ask_to_erase()
    await state.erase_account(form)
    assert state.confirm_error == "Type the address of this account, as it stands above."
    assert await keys_and_erasures(unit_of_work) == (["active"], 0)
    state.close_erase()
    state.ask_to_erase()
    assert (state.is_asking, state.confirm_error) == (True, "")


async def test_session_that_grew_old_meanwhile_wants_a_sign_in(
    state: Any, unit_of_work: UnitOfWork
) -> None:
    assert not state.needs_sign_in
    state.ask_to_erase()
    await let_time_pass(unit_of_work)
    await state.erase_account({"confirm": "ada@example.com"})
    assert (state.needs_sign_in, state.is_asking, state.is_erased) == (True, False, False)
    assert await keys_and_erasures(unit_of_work) == (["active"], 0)
    await state.enter_data()
    assert state.needs_sign_in


def test_dialog_says_before_what_goes_and_what_stays() -> None:
    shown = str(data_section().render())
    assert [words for words in (*GOES, *STAYS) if words not in shown] == []
    assert "/export/account.zip" in shown
    assert "/sign-in/?next=/settings/" in shown
