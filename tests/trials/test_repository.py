"""Reading trials: the document's query "active trial workspaces with keys", and what is shown."""

from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.core.errors import NotFound
from app.keys.exposure import end_exposed, read_sighting
from app.models import KeyLastUse, TrialApiKeyDetail, TrialExtension, UsagePeriod
from app.trials.repository import get_trial, list_active_trials, list_trials
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_trial_key, make_user, make_workspace
from tests.statements import counted_statements


async def test_active_trials_come_with_all_their_keys(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        second = await make_workspace(session, owner)
        earlier = utc_now() - timedelta(days=1)
        first = await make_workspace(session, owner, created_at=earlier)
        keys = [(await make_trial_key(session, first))[0] for _ in range(2)]
        revoked, _ = await make_trial_key(session, first, status="revoked")
    async with unit_of_work() as session:
        trials = await list_active_trials(session, owner.id)
    assert [trial.workspace.id for trial in trials] == [first.id, second.id]
    assert {key.id for key in trials[0].keys} == {key.id for key in [*keys, revoked]}
    assert list(trials[1].keys) == []


@pytest.mark.parametrize("status", ["expired", "converted", "cancelled"])
async def test_trial_that_ended_is_not_listed(unit_of_work: UnitOfWork, status: str) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        await make_workspace(session, owner, status=status)
        assert await list_active_trials(session, owner.id) == []


async def test_trial_past_its_end_is_not_listed_though_its_status_says_active(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        over = utc_now() - timedelta(seconds=1)
        await make_workspace(session, owner, expires_at=over)
        assert await list_active_trials(session, owner.id) == []


async def test_somebody_elses_trial_is_not_listed(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        stranger = await make_user(session)
        await make_trial_key(session, await make_workspace(session, owner))
        assert await list_active_trials(session, stranger.id) == []


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_listing_trials_takes_two_statements(unit_of_work: UnitOfWork, count: int) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        for _ in range(count):
            await make_trial_key(session, await make_workspace(session, owner))
    async with unit_of_work() as session:
        with counted_statements() as statements:
            assert len(await list_active_trials(session, owner.id)) == count
    assert len(statements) == 2


async def test_trials_are_listed_running_ones_first(unit_of_work: UnitOfWork) -> None:
    now = utc_now()
    async with unit_of_work() as session:
        owner = await make_user(session)
        old, new = now - timedelta(days=40), now - timedelta(days=1)
        over = await make_workspace(session, owner, created_at=new, expires_at=now)
        running = await make_workspace(session, owner, created_at=old)
        newest = await make_workspace(session, owner, created_at=now, tier="enterprise")
        cancelled = await make_workspace(session, owner, created_at=now, status="cancelled")
        await make_workspace(session, await make_user(session))
    async with unit_of_work() as session:
        trials = await list_trials(session, owner.id)
    assert [trial.id for trial in trials] == [newest.id, running.id, cancelled.id, over.id]
    assert [trial.life.status for trial in trials] == ["active", "active", "cancelled", "expired"]


async def test_trial_is_shown_with_its_units_keys_and_extensions(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        trial = await make_workspace(session, owner)
        await make_trial_key(session, await make_workspace(session, await make_user(session)))
        earlier = utc_now() - timedelta(hours=1)
        first, _ = await make_trial_key(session, trial, label="first", created_at=earlier)
        revoked, _ = await make_trial_key(session, trial, status="revoked")
        moved, _ = await make_trial_key(session, trial, status="converted")
        live, _ = await make_key(session, owner, detail={"trial_key_id": moved.id})
        session.add(KeyLastUse(key_id=first.id, last_used_at=earlier))
        for slot, units in enumerate((40, 2)):
            session.add(
                UsagePeriod(
                    scope_id=trial.id, starts_at=trial.created_at, slot=slot, units=units, calls=1
                )
            )
        for days in (3, 4):
            session.add(
                TrialExtension(
                    workspace_id=trial.id, days=days, reason="x",
                    ended_at=trial.expires_at, ends_at=trial.expires_at,
                )
            )  # fmt: skip
    async with unit_of_work() as session:
        view = await get_trial(session, owner.id, trial.slug)
        [listed] = await list_trials(session, owner.id)
    assert view.summary == listed
    assert (listed.name, listed.tier_id) == (trial.name, "standard")
    assert (listed.units_used, listed.units_limit) == (42, 5_000)
    assert (listed.key_count, listed.extended_days) == (2, 7)
    assert [key.id for key in view.keys] == [moved.id, first.id, revoked.id]
    assert [key.live_key_id for key in view.keys] == [live.id, None, None]
    assert view.keys[1].label == "first"
    assert view.keys[1].start.startswith("lk_trial_")
    assert abs(view.keys[1].last_used_at - earlier) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "hours", "shown"),
    [("active", 1, "active"), ("active", -1, "expired"), ("revoked", -1, "revoked")],
)
async def test_key_whose_own_time_is_over_is_not_shown_as_active(
    unit_of_work: UnitOfWork, status: str, hours: int, shown: str
) -> None:
    async with unit_of_work() as session:
        trial = await make_workspace(session, await make_user(session))
        ends = {"expires_at": utc_now() + timedelta(hours=hours)}
        await make_trial_key(session, trial, status=status, detail=ends)
    async with unit_of_work() as session:
        [key] = (await get_trial(session, trial.owner_id, trial.slug)).keys
    assert key.status == shown


async def test_key_that_was_reported_says_when_it_ends_and_that_it_has(
    unit_of_work: UnitOfWork,
) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        trial = await make_workspace(session, owner)
        ending, secret = await make_trial_key(session, trial)
        over, old_secret = await make_trial_key(session, trial)
        sightings = [read_sighting(secret), read_sighting(old_secret)]
        await end_exposed(session, sightings, grace=timedelta(days=1))
        detail = await session.get_one(TrialApiKeyDetail, over.id)
        detail.expires_at = utc_now()
    async with unit_of_work() as session:
        keys = {key.id: key for key in (await get_trial(session, owner.id, trial.slug)).keys}
    assert (keys[ending.id].status, keys[over.id].status) == ("active", "expired")
    assert keys[ending.id].expires_at > utc_now() + timedelta(hours=23)
    assert all(key.reported_at for key in keys.values())


@pytest.mark.parametrize("slug", ["theirs", "nothing"])
async def test_somebody_elses_trial_is_not_found(unit_of_work: UnitOfWork, slug: str) -> None:
    async with unit_of_work() as session:
        await make_workspace(session, await make_user(session), slug="theirs")
        stranger = await make_user(session)
        with pytest.raises(NotFound):
            await get_trial(session, stranger.id, slug)


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_summaries_take_one_statement(unit_of_work: UnitOfWork, count: int) -> None:
    async with unit_of_work() as session:
        owner = await make_user(session)
        for _ in range(count):
            await make_trial_key(session, await make_workspace(session, owner))
    async with unit_of_work() as session:
        with counted_statements() as statements:
            assert len(await list_trials(session, owner.id)) == count
    assert len(statements) == 1


async def test_one_trial_takes_two_statements(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        trial = await make_workspace(session, await make_user(session))
        for _ in range(3):
            await make_trial_key(session, trial)
    async with unit_of_work() as session:
        with counted_statements() as statements:
            assert len((await get_trial(session, trial.owner_id, trial.slug)).keys) == 3
    assert len(statements) == 2
