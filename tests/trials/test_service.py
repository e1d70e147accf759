"""Starting and cancelling trials."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.core.errors import InvalidRequest, LatchkeyError, NotFound
from app.keys.service import AddressNotVerified
from app.models import TrialApiKey, TrialWorkspace, User
from app.trials.claims import TrialTaken
from app.trials.service import cancel_trial, lock_trial, start_trial
from app.trials.states import Status, TrialMoveRefused
from tests.conftest import UnitOfWork
from tests.factories import make_trial_key, make_user, make_workspace


async def make_owner(unit_of_work: UnitOfWork, **overrides: object) -> str:
    async with unit_of_work() as session:
        return (await make_user(session, **overrides)).id


async def start(
    unit_of_work: UnitOfWork, user_id: str, name: str = "Acme", tier_id: str = "standard"
) -> TrialWorkspace:
    async with unit_of_work() as session:
        return await start_trial(session, user_id, name=name, tier_id=tier_id)


async def cancel(unit_of_work: UnitOfWork, user_id: str, slug: str, confirm: str) -> None:
    async with unit_of_work() as session:
        await cancel_trial(session, user_id, slug, confirm=confirm)


async def read(unit_of_work: UnitOfWork, workspace_id: str) -> TrialWorkspace:
    async with unit_of_work() as session:
        return await session.get_one(TrialWorkspace, workspace_id)


async def test_trial_starts_with_the_length_of_the_plans_file(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner, "  Ünïcode \t GmbH ")
    kept = await read(unit_of_work, trial.id)
    assert kept == trial
    assert (kept.name, kept.slug, kept.tier) == ("Ünïcode GmbH", "unicode-gmbh", "standard")
    assert (kept.status, kept.owner_id) == ("active", owner)
    assert kept.expires_at - kept.created_at == timedelta(days=14)
    assert abs(utc_now() - kept.created_at) < timedelta(minutes=1)


async def test_name_and_plan_are_checked(unit_of_work: UnitOfWork) -> None:
    wrong = [({"name"}, name, "standard") for name in ("", "  ", "x" * 61, "a\x00b", "\u200bx")]
    wrong += [({"tier_id"}, "Acme", tier_id) for tier_id in ("free", "", "Standard", "\x00")]
    for fields, name, tier_id in [*wrong, ({"name", "tier_id"}, "\ud800", "\ud800")]:
        with pytest.raises(InvalidRequest) as refusal:
            await start(unit_of_work, "nobody", name, tier_id)
        assert set(refusal.value.fields) == fields


async def test_unverified_address_starts_no_trial(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work, email_verified=None)
    with pytest.raises(AddressNotVerified) as refusal:
        await start(unit_of_work, owner)
    assert "start the trial" in refusal.value.detail


async def test_account_that_is_gone_starts_no_trial(unit_of_work: UnitOfWork) -> None:
    with pytest.raises(NotFound):
        await start(unit_of_work, "nobody")


async def test_of_fifty_starts_of_one_account_one_succeeds(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    results = await asyncio.gather(
        *(start(unit_of_work, owner) for _ in range(50)), return_exceptions=True
    )
    assert Counter(type(result) for result in results) == {TrialWorkspace: 1, TrialTaken: 49}


async def test_twenty_owners_start_a_trial_of_the_same_name_at_once(
    unit_of_work: UnitOfWork,
) -> None:
    owners = [await make_owner(unit_of_work) for _ in range(20)]
    trials = await asyncio.gather(*(start(unit_of_work, owner) for owner in owners))
    assert {trial.slug for trial in trials} == {"acme", *(f"acme-{n}" for n in range(2, 21))}


async def test_slug_takes_the_smallest_free_number(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        for slug in ("acme", "acme-3", "acme-4"):
            await make_workspace(session, owner, slug=slug)
    slugs = [
        (await start(unit_of_work, await make_owner(unit_of_work), name)).slug
        for name in ("Acme", "ACME!", "acme-2", "acme 2")
    ]
    assert slugs == ["acme-2", "acme-5", "acme-2-2", "acme-2-3"]


async def test_running_trial_of_another_program_refuses_a_second_one(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_workspace(session, owner, tier="standard")
    with pytest.raises(TrialTaken) as refusal:
        await start(unit_of_work, owner.id)
    assert refusal.value.next_at is None
    assert "Your Standard trial runs until" in refusal.value.detail
    assert (await start(unit_of_work, owner.id, tier_id="enterprise")).tier == "enterprise"


@pytest.mark.parametrize(
    "overrides", [{"status": "cancelled"}, {"expires_at": utc_now() - timedelta(days=1)}]
)
async def test_ended_trial_without_a_claim_refuses_nothing(
    unit_of_work: UnitOfWork, overrides: dict[str, object]
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_workspace(session, owner, **overrides)
    assert await start(unit_of_work, owner.id)


async def test_cancelling_revokes_the_keys_and_is_final(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner, "Ame\u0301lie & Co")
    earlier = utc_now() - timedelta(days=1)
    async with unit_of_work() as session:
        key, _ = await make_trial_key(session, trial)
        revoked, _ = await make_trial_key(session, trial, status="revoked", revoked_at=earlier)
        other = await make_workspace(session, await make_user(session))
        untouched, _ = await make_trial_key(session, other)
    await cancel(unit_of_work, owner, trial.slug, " Amélie  & Co ")
    cancelled = await read(unit_of_work, trial.id)
    assert cancelled.status == "cancelled"
    await cancel(unit_of_work, owner, trial.slug, "whatever")
    assert (await read(unit_of_work, trial.id)).cancelled_at == cancelled.cancelled_at is not None
    async with unit_of_work() as session:
        key = await session.get_one(TrialApiKey, key.id)
        assert key.status == "revoked"
        assert key.revoked_at == cancelled.cancelled_at
        assert (await session.get_one(TrialApiKey, untouched.id)).status == "active"
        kept = await session.get_one(TrialApiKey, revoked.id)
        assert abs(kept.revoked_at - earlier) < timedelta(seconds=1)


async def test_cancelling_takes_the_name_typed(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner, "Acme")
    for confirm in ("", "acme", "Acme ltd", "\ud800"):
        with pytest.raises(InvalidRequest) as refusal:
            await cancel(unit_of_work, owner, trial.slug, confirm)
        assert set(refusal.value.fields) == {"confirm"}
    assert (await read(unit_of_work, trial.id)).status == "active"


@pytest.mark.parametrize("status", ["expired", "converted", "active"])
async def test_trial_that_has_ended_cannot_be_cancelled(
    unit_of_work: UnitOfWork, status: str
) -> None:
    over = utc_now() - timedelta(seconds=1)
    async with unit_of_work() as session:
        owner = await make_user(session)
        trial = await make_workspace(session, owner, status=status, expires_at=over)
    with pytest.raises(TrialMoveRefused):
        await cancel(unit_of_work, owner.id, trial.slug, trial.name)


async def test_stranger_neither_sees_nor_cancels_a_trial(unit_of_work: UnitOfWork) -> None:
    owner, stranger = await make_owner(unit_of_work), await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner)
    for user_id, slug in [(stranger, trial.slug), (owner, "other"), ("nobody", trial.slug)]:
        with pytest.raises(NotFound):
            await cancel(unit_of_work, user_id, slug, trial.name)
        with pytest.raises(NotFound):
            async with unit_of_work() as session:
                await lock_trial(session, user_id, slug)
    assert (await read(unit_of_work, trial.id)).status == "active"


async def test_locked_trial_is_read_anew(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner)
    async with unit_of_work() as session:
        seen = await session.get_one(TrialWorkspace, trial.id)
        assert seen.status == "active"
        await cancel(unit_of_work, owner, trial.slug, trial.name)
        workspace, life = await lock_trial(session, owner, trial.slug)
    assert (workspace.status, life.status) == ("cancelled", Status.CANCELLED)


async def test_cancelling_waits_for_whoever_holds_the_owner(unit_of_work: UnitOfWork) -> None:
    owner = await make_owner(unit_of_work)
    trial = await start(unit_of_work, owner)
    async with unit_of_work() as session:
        await session.get(User, owner, with_for_update=True)
        waiting = asyncio.create_task(cancel(unit_of_work, owner, trial.slug, trial.name))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    await waiting


def test_refusals_have_stable_codes() -> None:
    refusals: list[type[LatchkeyError]] = [TrialTaken, TrialMoveRefused]
    assert [(one.code, one.status) for one in refusals] == [
        ("trial_taken", 409),
        ("trial_move_refused", 409),
    ]
