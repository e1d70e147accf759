"""The keys of one trial."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.core.crypto import sha256_hex
from app.core.errors import InvalidRequest, NotFound
from app.keys.exposure import end_exposed, read_sighting
from app.keys.format import is_well_formed
from app.keys.service import NewKey
from app.models import TrialApiKey, TrialWorkspace
from app.trials.keys import MOST_KEYS, TrialKeyLimitReached, create_key, revoke_key
from app.trials.repository import get_trial
from app.trials.states import TrialMoveRefused
from tests.conftest import UnitOfWork
from tests.factories import make_trial_key, make_user, make_workspace

OVER = {"expires_at": utc_now() - timedelta(seconds=1)}


@pytest.fixture
async def trial(unit_of_work: UnitOfWork) -> TrialWorkspace:
    async with unit_of_work() as session:
        return await make_workspace(session, await make_user(session))


async def create(unit_of_work: UnitOfWork, trial: TrialWorkspace, label: str = "x") -> NewKey:
    async with unit_of_work() as session:
        return await create_key(session, trial.owner_id, trial.slug, label=label)


async def revoke(unit_of_work: UnitOfWork, trial: TrialWorkspace, key_id: str) -> None:
    async with unit_of_work() as session:
        await revoke_key(session, trial.owner_id, trial.slug, key_id)


async def change(unit_of_work: UnitOfWork, trial: TrialWorkspace, **values: object) -> None:
    async with unit_of_work() as session:
        row = await session.get_one(TrialWorkspace, trial.id)
        for name, value in values.items():
            setattr(row, name, value)


async def test_new_key_is_stored_as_its_digest_only(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    key = await create(unit_of_work, trial, "  my   server ")
    assert key.secret.startswith("lk_trial_")
    assert is_well_formed(key.secret)
    async with unit_of_work() as session:
        row = await session.get_one(TrialApiKey, key.id)
        [summary] = (await get_trial(session, trial.owner_id, trial.slug)).keys
    assert (row.key_hash, row.status) == (sha256_hex(key.secret), "active")
    assert (summary.label, summary.start) == ("my server", key.start)
    assert key.start == key.secret[: len("lk_trial_") + 4]
    assert key.secret not in repr(summary) + repr(row)


async def test_unusable_label_is_refused(unit_of_work: UnitOfWork, trial: TrialWorkspace) -> None:
    for label in ("", " ", "x" * 61, "a\x00"):
        with pytest.raises(InvalidRequest) as refusal:
            await create(unit_of_work, trial, label)
        assert set(refusal.value.fields) == {"label"}


async def test_trial_has_at_most_five_keys_also_at_once(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    results = await asyncio.gather(
        *(create(unit_of_work, trial) for _ in range(12)), return_exceptions=True
    )
    kinds = Counter(type(result) for result in results)
    assert kinds == {NewKey: MOST_KEYS, TrialKeyLimitReached: 12 - MOST_KEYS}
    made = next(result for result in results if isinstance(result, NewKey))
    await revoke(unit_of_work, trial, made.id)
    assert await create(unit_of_work, trial)


async def test_reported_key_leaves_its_place_to_the_one_that_replaces_it(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    """Its owner is mailed to put another in its place before it ends."""
    made = [await create(unit_of_work, trial) for _ in range(MOST_KEYS)]
    async with unit_of_work() as session:
        await end_exposed(session, [read_sighting(made[0].secret)], grace=timedelta(hours=24))
    assert await create(unit_of_work, trial)
    with pytest.raises(TrialKeyLimitReached):
        await create(unit_of_work, trial)


async def test_keys_of_another_trial_count_for_nothing(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    async with unit_of_work() as session:
        other = await make_workspace(session, await make_user(session))
        for _ in range(MOST_KEYS):
            await make_trial_key(session, other)
    assert await create(unit_of_work, trial)


@pytest.mark.parametrize(
    "values", [OVER, {"status": "expired"}, {"status": "converted"}, {"status": "cancelled"}]
)
async def test_trial_that_has_ended_gets_no_key(
    unit_of_work: UnitOfWork, trial: TrialWorkspace, values: dict[str, object]
) -> None:
    await change(unit_of_work, trial, **values)
    with pytest.raises(TrialMoveRefused):
        await create(unit_of_work, trial)


async def test_revoking_twice_keeps_the_first_moment(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    key = await create(unit_of_work, trial)
    moments = []
    for _ in range(2):
        await revoke(unit_of_work, trial, key.id)
        async with unit_of_work() as session:
            row = await session.get_one(TrialApiKey, key.id)
        assert row.status == "revoked"
        moments.append(row.revoked_at)
    assert moments[0] == moments[1] is not None


async def test_trial_that_is_over_is_read_only(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    key = await create(unit_of_work, trial)
    await change(unit_of_work, trial, **OVER)
    with pytest.raises(TrialMoveRefused):
        await revoke(unit_of_work, trial, key.id)


async def test_key_of_a_converted_trial_cannot_be_revoked_here(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    key = await create(unit_of_work, trial)
    await change(unit_of_work, trial, status="converted")
    with pytest.raises(TrialMoveRefused) as refusal:
        await revoke(unit_of_work, trial, key.id)
    assert "among your live keys" in refusal.value.detail


async def test_stranger_neither_makes_nor_revokes_a_key(
    unit_of_work: UnitOfWork, trial: TrialWorkspace
) -> None:
    key = await create(unit_of_work, trial)
    async with unit_of_work() as session:
        own = await make_workspace(session, await make_user(session))
    for slug in (trial.slug, own.slug):
        with pytest.raises(NotFound):
            async with unit_of_work() as session:
                await revoke_key(session, own.owner_id, slug, key.id)
    with pytest.raises(NotFound):
        async with unit_of_work() as session:
            await create_key(session, own.owner_id, trial.slug, label="x")
    async with unit_of_work() as session:
        assert (await session.get_one(TrialApiKey, key.id)).status == "active"
