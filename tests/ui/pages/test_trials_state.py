"""The list of trials, and starting one."""

from datetime import timedelta
from typing import Any

import pytest

from app.accounts.suspension import suspend
from app.core.database import unit_of_work as one_unit
from app.trials.repository import list_trials
from app.ui.pages.trials_state import TrialsState
from tests.conftest import UnitOfWork
from tests.ui.pages.trial_world import TrialPages, make_customer, make_trial


@pytest.fixture
async def pages(unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch) -> TrialPages:
    """The trials page of a customer who has none."""
    pages = TrialPages(monkeypatch, await make_customer())
    await pages.open("/trials/")
    return pages


async def start(pages: TrialPages, **form: Any) -> Any:
    return await pages.call(
        TrialsState.start_trial, {"name": "Acme", "tier_id": "standard", **form}
    )


async def test_trial_that_is_started_leads_to_its_page(pages: TrialPages) -> None:
    state = await pages.state(TrialsState)
    assert (state.is_loaded, state.trials) == (True, [])
    await pages.call(TrialsState.open_start)
    redirect = await start(pages)
    assert "/trials/acme/" in str(redirect)
    assert not state.is_starting
    await pages.call(TrialsState.refresh)
    [card] = state.trials
    assert (card.name, card.badge, card.tone) == ("Acme", "14 days left", "neutral")
    assert state.running == [card]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": ["Acme", 1]}, None),
        ({"tier_id": "free"}, "tier_id"),
        ({"tier_id": "gold"}, "tier_id"),
        ({"tier_id": None}, "tier_id"),
    ],
)
async def test_wrong_value_is_told_beside_its_field(
    pages: TrialPages, form: dict[str, Any], field: str | None
) -> None:
    await pages.call(TrialsState.open_start)
    await start(pages, **form)
    state = await pages.state(TrialsState)
    assert list(state.errors) == ([field] if field else [])
    assert state.is_starting is (field is not None)


async def test_trial_that_was_had_is_refused_with_the_way_on(pages: TrialPages) -> None:
    await start(pages)
    await pages.call(TrialsState.open_start)
    assert await start(pages, name="Again") is None
    state = await pages.state(TrialsState)
    assert list(state.errors) == ["tier_id"]
    assert (state.taken_tier, state.taken_name) == ("standard", "Standard")
    # and it goes with the next try
    await start(pages, name="Again", tier_id="enterprise")
    assert (state.errors, state.taken_tier) == ({}, "")


async def test_unverified_address_is_told_how_to_be_verified(
    unit_of_work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = TrialPages(monkeypatch, await make_customer(email_verified=None))
    await pages.open("/trials/?tier=standard")
    await start(pages)
    state = await pages.state(TrialsState)
    assert "Open a link that we mail you" in state.errors["name"]
    async with one_unit() as session:
        assert await list_trials(session, pages.user.id) == []


async def test_suspended_account_is_told_so_in_the_dialog(pages: TrialPages) -> None:
    async with one_unit() as session:
        await suspend(session, pages.user.id, reason="test", suspended_by="test")
    await pages.open("/trials/?tier=standard")
    assert await start(pages) is None
    state = await pages.state(TrialsState)
    assert state.is_starting
    assert "Your account is suspended" in state.errors["name"]


@pytest.mark.parametrize(
    ("address", "is_open", "tier"),
    [
        ("/trials/?tier=enterprise", True, "enterprise"),
        ("/trials/?tier=free", False, ""),
        ("/trials/?tier=%00", False, ""),
        ("/trials/", False, ""),
    ],
)
async def test_address_may_name_the_plan_to_try(
    pages: TrialPages, address: str, is_open: bool, tier: str
) -> None:
    await pages.open(address)
    state = await pages.state(TrialsState)
    assert state.is_starting is is_open
    assert state.wanted_tier == tier


async def test_list_follows_the_clock_and_sends_only_what_changed(pages: TrialPages) -> None:
    await make_trial(pages.user, left=timedelta(seconds=-1))
    await make_trial(await make_customer(), slug="theirs")
    state = await pages.state(TrialsState)
    await pages.call(TrialsState.refresh)
    assert [(card.slug, card.badge) for card in state.trials] == [("acme", "Ended")]
    assert state.running == []
    state.dirty_vars.clear()
    await pages.call(TrialsState.refresh)
    assert "trials" not in state.dirty_vars
