"""What the settings page shows and does, tried without a browser."""

from typing import Any

import pytest
from sqlmodel import select

from app.accounts import suspension
from app.models import Session, User
from app.ui.pages.keys_state import KeysState
from app.ui.pages.settings_state import SettingsState
from app.ui.state import PortalState
from tests.conftest import UnitOfWork
from tests.factories import make_session, make_user
from tests.ui.pages.people import sign_in


@pytest.fixture
async def ada(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> User:
    async with unit_of_work() as session:
        user = await make_user(session, name="Ada", company=None)
        # the session that `sign_in` says the caller has
        await make_session(session, user, id="session")
    sign_in(monkeypatch, user)
    return user


@pytest.fixture
async def state(ada: User) -> SettingsState:
    state = SettingsState(_reflex_internal_init=True)
    await state.enter()
    return state


async def another(unit_of_work: UnitOfWork, user: User) -> str:
    async with unit_of_work() as session:
        return (await make_session(session, user))[0].id


async def live(unit_of_work: UnitOfWork) -> set[str]:
    async with unit_of_work() as session:
        return set((await session.exec(select(Session.id))).all())


async def test_page_has_the_names_and_this_session(state: SettingsState) -> None:
    assert (state.is_loaded, state.name, state.company, state.is_verified) == (
        True,
        "Ada",
        "",
        True,
    )
    assert [(row.id, row.is_current) for row in state.sessions] == [("session", True)]
    assert not state.has_others


async def test_names_are_saved_and_shown_as_they_are_kept(state: SettingsState) -> None:
    await state.save_profile({"name": " Ada  Lovelace ", "company": "Engines"})
    assert (state.name, state.company, state.message) == ("Ada Lovelace", "Engines", "Saved.")


async def test_wrong_name_is_said_beside_its_field(state: SettingsState) -> None:
    await state.save_profile({"name": "a\u202eb", "company": "Engines"})
    assert set(state.errors) == {"name"}
    assert state.message == ""
    await state.load()
    assert (state.name, state.company) == ("Ada", "")
    await state.save_profile({"name": "Ada", "company": "Engines"})
    assert state.errors == {}


async def test_form_without_fields_changes_nothing(state: SettingsState) -> None:
    await state.save_profile({})
    assert state.name == "Ada"


async def test_one_other_session_is_ended(
    state: SettingsState, ada: User, unit_of_work: UnitOfWork
) -> None:
    other = await another(unit_of_work, ada)
    await state.load()
    assert state.has_others
    await state.end_session(other)
    assert await live(unit_of_work) == {"session"}
    assert (state.message, state.has_others) == ("Signed out Unknown device.", False)


async def test_session_of_somebody_else_stays(
    state: SettingsState, unit_of_work: UnitOfWork
) -> None:
    async with unit_of_work() as session:
        row, _ = await make_session(session, await make_user(session))
    await state.end_session(row.id)
    assert await live(unit_of_work) == {"session", row.id}


async def test_all_others_end_after_asking(
    state: SettingsState, ada: User, unit_of_work: UnitOfWork
) -> None:
    for _ in range(2):
        await another(unit_of_work, ada)
    state.ask_to_end("others")
    assert state.dialog == "others"
    await state.end_others()
    assert await live(unit_of_work) == {"session"}
    assert state.dialog == ""
    assert state.message == "Signed out 2 other browsers. Only this one is signed in."


@pytest.mark.parametrize("value", ["", "everything", None, 7])
def test_only_the_two_dialogs_open(value: Any) -> None:
    state = SettingsState(_reflex_internal_init=True)
    state.ask_to_end(value)
    assert state.dialog == ""


async def test_suspended_account_is_told_on_every_page_and_makes_no_key(
    ada: User, unit_of_work: UnitOfWork
) -> None:
    portal, keys = PortalState(_reflex_internal_init=True), KeysState(_reflex_internal_init=True)
    await portal.load_user()
    assert portal.suspension_alert == ""
    async with unit_of_work() as session:
        await suspension.suspend(session, ada.id, reason="secret reason", suspended_by="ops")
    await portal.load_user()
    assert "Write to no-reply@localhost to have it opened." in portal.suspension_alert
    assert "secret" not in portal.suspension_alert
    await keys.create_key({"label": "mine"})
    assert keys.errors["label"].startswith("Your account is suspended")
    async with unit_of_work() as session:
        await suspension.restore(session, ada.id)
    await portal.load_user()
    assert portal.suspension_alert == ""
