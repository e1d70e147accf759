"""A trial's own page: what it shows to whom, its keys, and cancelling."""

from datetime import timedelta

import pytest
from sqlmodel import select, update

from app.core.crypto import sha256_hex
from app.models import TrialApiKey, TrialWorkspace
from app.trials.keys import MOST_KEYS
from app.ui.pages.trial_state import TrialState, slug_in
from tests.conftest import UnitOfWork
from tests.factories import make_trial_call
from tests.ui.pages.trial_world import TrialPages, make_customer, make_trial


@pytest.fixture
async def pages(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> TrialPages:
    """The page of a trial with two keys."""
    pages = TrialPages(monkeypatch, await make_customer())
    await make_trial(pages.user, keys=2)
    await pages.open("/trials/acme/")
    return pages


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/trials/acme/", "acme"),
        ("/trials/acme", "acme"),
        ("/trials/a%2Fb/", "a/b"),
        ("/trials/", "trials"),
        ("/trials/%00/", ""),
        ("/trials/\ud800/", ""),
        ("/trials/a%0Ab/", ""),
        ("", ""),
    ],
)
def test_slug_is_read_from_the_address(path: str, slug: str) -> None:
    assert slug_in(path) == slug


async def test_page_shows_the_trial_and_its_keys(pages: TrialPages) -> None:
    state = await pages.state(TrialState)
    assert (state.is_loaded, state.is_missing) == (True, False)
    assert (state.trial.name, state.trial.badge) == ("Acme", "9 days left")
    assert {key.label for key in state.keys} == {"key 1", "key 2"}
    state.dirty_vars.clear()
    await pages.call(TrialState.refresh)
    assert not {"trial", "keys"} & state.dirty_vars


@pytest.mark.parametrize(
    "address", ["/trials/theirs/", "/trials/none/", "/trials/%00/", "/trials/\ud800/"]
)
async def test_trial_of_a_stranger_is_as_unknown_as_none(pages: TrialPages, address: str) -> None:
    await make_trial(await make_customer(), slug="theirs", name="Theirs", keys=1)
    await pages.open(address)
    state = await pages.state(TrialState)
    assert (state.is_missing, state.trial.name, state.keys) == (True, "", [])
    await pages.open("/trials/acme/")
    assert (state.is_missing, state.trial.name) == (False, "Acme")


async def test_new_key_is_shown_once_and_is_in_no_state(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    await pages.call(TrialState.open_create)
    await pages.call(TrialState.create_key, {"label": "laptop"})
    state = await pages.state(TrialState)
    [(var, secret)] = pages.shown
    assert (var, secret[:9], state.new_key, state.dialog) == ("new_key", "lk_trial_", "", "")
    assert "laptop" in {key.label for key in state.keys}
    async with unit_of_work() as session:
        hashes = (await session.exec(select(TrialApiKey.key_hash))).all()
    assert sha256_hex(secret) in hashes
    await pages.call(TrialState.forget_key)
    assert pages.shown[-1] == ("new_key", "")


async def test_refused_key_says_why_beside_its_field(pages: TrialPages) -> None:
    state = await pages.state(TrialState)
    await pages.call(TrialState.open_create)
    await pages.call(TrialState.create_key, {"label": " "})
    assert "Give the key a name" in state.errors["label"]
    for _ in range(MOST_KEYS):
        await pages.call(TrialState.create_key, {"label": "more"})
    assert f"at most {MOST_KEYS} keys" in state.errors["label"]
    assert len(state.keys) == MOST_KEYS


async def test_key_is_revoked_once_its_name_is_typed(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    state = await pages.state(TrialState)
    key = state.keys[0]
    async with unit_of_work() as session:
        await make_trial_call(session, await session.get_one(TrialApiKey, key.id))
    await pages.call(TrialState.open_revoke, key.id)
    assert (state.dialog, state.revoking_label, state.calls) == ("revoke", key.label, "1 call")
    await pages.call(TrialState.revoke_key, {"confirm": "another"})
    assert state.errors == {"confirm": f"Type {key.label} to revoke this key."}
    await pages.call(TrialState.revoke_key, {"confirm": f" {key.label} "})
    assert state.dialog == ""
    assert {one.id: one.status for one in state.keys}[key.id] == "revoked"
    assert [one.can_revoke for one in state.keys if one.id == key.id] == [False]


@pytest.mark.parametrize("key_id", ["of a stranger", "none", "\0", None, ["x"]])
async def test_key_that_is_not_of_this_trial_opens_nothing(
    pages: TrialPages, key_id: object, unit_of_work: UnitOfWork
) -> None:
    if key_id == "of a stranger":
        trial = await make_trial(await make_customer(), slug="theirs", keys=1)
        async with unit_of_work() as session:
            statement = select(TrialApiKey.id).where(TrialApiKey.workspace_id == trial.id)
            key_id = (await session.exec(statement)).one()
    await pages.call(TrialState.open_revoke, key_id)
    assert (await pages.state(TrialState)).dialog == ""


async def test_trial_is_cancelled_once_its_name_is_typed(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    state = await pages.state(TrialState)
    await pages.call(TrialState.open_cancel)
    assert (state.dialog, state.calls) == ("cancel", "0 calls")
    await pages.call(TrialState.cancel_trial, {"confirm": "Acm"})
    assert list(state.errors) == ["confirm"]
    assert state.trial.status == "active"
    await pages.call(TrialState.cancel_trial, {"confirm": "Acme"})
    assert (state.dialog, state.trial.status, state.trial.can_convert) == ("", "cancelled", False)
    assert {key.status for key in state.keys} == {"revoked"}
    assert state.message.startswith("Cancelled Acme.")


async def test_trial_that_ends_under_an_open_dialog_says_so_there(
    pages: TrialPages, unit_of_work: UnitOfWork
) -> None:
    state = await pages.state(TrialState)
    await pages.call(TrialState.open_create)
    async with unit_of_work() as session:
        ended_at = TrialWorkspace.expires_at - timedelta(days=10)  # type: ignore[operator]  # a column
        await session.exec(update(TrialWorkspace).values(expires_at=ended_at))
    await pages.call(TrialState.create_key, {"label": "late"})
    assert "This trial is over" in state.errors["label"]
    assert (state.trial.status, state.trial.can_make_key) == ("expired", False)
    assert [key.status for key in state.keys] == ["expired", "expired"]
    assert pages.shown == []


async def test_page_begins_anew_with_each_visit(pages: TrialPages) -> None:
    state = await pages.state(TrialState)
    await pages.call(TrialState.open_cancel)
    await pages.call(TrialState.cancel_trial, {"confirm": "Acme"})
    await pages.open("/trials/acme/")
    assert (state.message, state.dialog) == ("", "")
