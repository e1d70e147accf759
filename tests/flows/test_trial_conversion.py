"""A converted trial's keys are live keys, all of them, once, and nothing of them is lost."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import text

from app.core.clock import utc_now
from app.core.crypto import sha256_hex
from app.core.errors import NotFound
from app.flows import trial_conversion
from app.flows.account_keys import create_key
from app.flows.trial_conversion import PlanNeeded
from app.keys.exposure import end_exposed, read_sighting
from app.keys.options import KeyOptions
from app.keys.service import KeyLimitReached
from app.models import KeyLastUse, KeyLeak, TrialApiCall, TrialApiKey, TrialWorkspace
from app.trials.states import TrialMoveRefused
from tests.factories import make_key, make_trial_call, make_trial_key
from tests.flows.trials import (
    DAY,
    add_trial,
    ago,
    detail_of,
    give_plan,
    live_keys,
    make_trial,
)

MOMENT = utc_now().replace(microsecond=0)


async def test_active_keys_are_live_keys_of_the_plan(unit_of_work: Any) -> None:
    trial = await make_trial(plan="enterprise", tier="standard")
    converted = await trial.convert()
    assert (converted.slug, converted.keys, converted.tier_id) == (trial.slug, 2, "enterprise")
    keys = await live_keys(trial.user_id)
    assert [(key.label, key.status, key.tier) for key in keys] == [
        ("Key 0", "active", "enterprise"),
        ("Key 1", "active", "enterprise"),
    ]
    assert [key.key_hash for key in keys] == [sha256_hex(secret) for _, secret in trial.keys]
    assert await trial.status() == "converted"
    assert await trial.key_statuses() == ["converted", "converted"]


async def test_conversion_is_dated_by_the_database(unit_of_work: Any) -> None:
    trial = await make_trial()
    await trial.convert()
    async with unit_of_work() as session:
        workspace = await session.get_one(TrialWorkspace, trial.id)
    assert abs(workspace.converted_at - utc_now()) < timedelta(seconds=5)


async def test_what_narrows_a_key_and_what_is_known_of_it_goes_with_it(unit_of_work: Any) -> None:
    trial = await make_trial(keys=0)
    detail = {"expires_at": MOMENT + DAY, "allowed_ips": ["10.0.0.0/8"]}
    async with unit_of_work() as session:
        workspace = await session.get_one(TrialWorkspace, trial.id)
        old, secret = await make_trial_key(session, workspace, detail=detail, created_at=MOMENT)
        session.add(KeyLastUse(key_id=old.id, last_used_at=MOMENT))
        leak = {"first_seen_at": MOMENT, "last_seen_at": MOMENT, "told_on": MOMENT.date()}
        session.add(KeyLeak(key_id=old.id, times=3, **leak))
    await trial.convert()
    [key] = await live_keys(trial.user_id)
    found = await detail_of(key.id)
    assert found is not None
    assert (found.start, found.trial_key_id) == (secret[: len("lk_trial_") + 4], old.id)
    assert (found.expires_at, found.allowed_ips) == (MOMENT + DAY, ["10.0.0.0/8"])
    assert key.created_at == MOMENT
    async with unit_of_work() as session:
        assert (await session.get_one(KeyLastUse, key.id)).last_used_at == MOMENT
        leaked = await session.get_one(KeyLeak, key.id)
    assert (leaked.times, leaked.told_on) == (3, MOMENT.date())


async def test_reported_key_stays_in_its_grace_and_its_owner_is_told_once(
    unit_of_work: Any,
) -> None:
    """It is no expiry: a key that replaced it would end so long after its making as well."""
    trial = await make_trial(keys=1)
    sighting = read_sighting(trial.keys[0][1])
    async with unit_of_work() as session:
        await end_exposed(session, [sighting], grace=DAY)
    await trial.convert()
    [key] = await live_keys(trial.user_id)
    found = await detail_of(key.id)
    assert found is not None
    assert found.expires_at is None
    assert found.grace_ends_at is not None
    assert abs(found.grace_ends_at - utc_now() - DAY) < timedelta(minutes=1)
    async with unit_of_work() as session:
        await end_exposed(session, [sighting], grace=timedelta(0))
        told = await session.exec(text("SELECT count(*) FROM latchkey.procrastinate_jobs"))  # type: ignore[call-overload]
        assert told.one()[0] == 1
    assert [one.status for one in await live_keys(trial.user_id)] == ["revoked"]


async def test_revoked_keys_stay_revoked(unit_of_work: Any) -> None:
    trial = await make_trial(keys=1)
    async with unit_of_work() as session:
        workspace = await session.get_one(TrialWorkspace, trial.id)
        await make_trial_key(session, workspace, status="revoked")
        await make_trial_key(session, workspace, revoked_at=utc_now())
    assert (await trial.convert()).keys == 1
    assert len(await live_keys(trial.user_id)) == 1
    assert sorted(await trial.key_statuses()) == ["active", "converted", "revoked"]


async def test_trial_without_keys_is_converted_too(unit_of_work: Any) -> None:
    trial = await make_trial(keys=0)
    assert (await trial.convert()).keys == 0
    assert await trial.status() == "converted"


async def test_key_of_another_program_without_a_detail_is_live_too(unit_of_work: Any) -> None:
    trial = await make_trial(keys=0)
    async with unit_of_work() as session:
        session.add(TrialApiKey(workspace_id=trial.id, key_hash="0" * 64))
    await trial.convert()
    [key] = await live_keys(trial.user_id)
    assert (key.key_hash, key.label, await detail_of(key.id)) == ("0" * 64, None, None)


async def test_second_conversion_is_the_first_one(unit_of_work: Any) -> None:
    trial = await make_trial()
    first = await trial.convert()
    before = await live_keys(trial.user_id)
    assert await trial.convert() == first
    assert [key.id for key in await live_keys(trial.user_id)] == [key.id for key in before]


async def test_conversion_without_a_plan_any_more_is_said_again_all_the_same(
    unit_of_work: Any, tables: Any
) -> None:
    trial = await make_trial()
    await trial.convert()
    await tables.execute("""UPDATE "Subscription" SET status = 'incomplete'""")
    again = await trial.convert()
    assert (again.keys, again.tier_id) == (2, "free")


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("active", {}),
        ("trialing", {}),
        ("past_due", {"account": {"unpaid_since": ago(days=1)}}),
        ("active", {"cancel_at_period_end": True}),
        ("canceled", {}),
    ],
)
async def test_any_plan_that_is_given_now_will_do(
    unit_of_work: Any, status: str, more: dict[str, Any]
) -> None:
    trial = await make_trial(plan=None)
    async with unit_of_work() as session:
        user = await trial.owner(session)
        await give_plan(session, user, status=status, **more)
    assert (await trial.convert()).tier_id == "standard"


@pytest.mark.parametrize(
    ("status", "more", "words"),
    [
        (None, {}, "Choose one"),
        ("incomplete", {"tier": "free"}, "Choose one"),
        ("active", {"tier": "free"}, "Choose one"),
        ("canceled", {"current_period_end": ago(days=1)}, "Choose one"),
        ("past_due", {"account": {"unpaid_since": ago(days=8)}}, "open invoice"),
        ("unpaid", {}, "open invoice"),
    ],
)
async def test_without_a_paid_plan_nothing_is_converted(
    unit_of_work: Any, status: str | None, more: dict[str, Any], words: str
) -> None:
    trial = await make_trial(plan=None)
    if status is not None:
        async with unit_of_work() as session:
            await give_plan(session, await trial.owner(session), status=status, **more)
    with pytest.raises(PlanNeeded, match=words):
        await trial.convert()
    assert await live_keys(trial.user_id) == []
    assert await trial.key_statuses() == ["active", "active"]
    assert await trial.status() == "active"


async def test_nobody_converts_another_s_trial(unit_of_work: Any) -> None:
    trial, stranger = await make_trial(), await make_trial()
    with pytest.raises(NotFound):
        await trial.convert(stranger.user_id)
    assert await trial.status() == "active"


@pytest.mark.parametrize("status", ["active", "expired"])
async def test_trial_that_is_over_is_converted_until_its_data_goes(
    unit_of_work: Any, status: str
) -> None:
    ended = ago(days=30) + timedelta(minutes=1)
    trial = await make_trial(status=status, expires_at=ended)
    assert (await trial.convert()).keys == 2
    assert len(await live_keys(trial.user_id)) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"status": "expired", "expires_at": ago(days=30)},
        {"status": "active", "expires_at": ago(days=30)},
        {"status": "cancelled", "cancelled_at": ago(minutes=1)},
        {"status": "another program's"},
    ],
)
async def test_what_cannot_come_back_is_not_converted(
    unit_of_work: Any, values: dict[str, Any]
) -> None:
    trial = await make_trial(**values)
    with pytest.raises(TrialMoveRefused):
        await trial.convert()
    assert await live_keys(trial.user_id) == []
    assert await trial.key_statuses() == ["active", "active"]


async def test_no_key_is_lost_for_want_of_room_in_the_plan(unit_of_work: Any) -> None:
    trial = await make_trial()
    async with unit_of_work() as session:
        user = await trial.owner(session)
        for _ in range(10):
            await make_key(session, user)
    await trial.convert()
    assert len(await live_keys(trial.user_id)) == 12
    with pytest.raises(KeyLimitReached):
        async with unit_of_work() as session:
            await create_key(session, trial.user_id, options=KeyOptions("One more"))


async def test_digest_that_is_live_already_stays_as_it_is(unit_of_work: Any) -> None:
    trial = await make_trial()
    async with unit_of_work() as session:
        digest = sha256_hex(trial.keys[0][1])
        known, _ = await make_key(
            session, await trial.owner(session), key_hash=digest, label="Known", tier="free"
        )
    assert (await trial.convert()).keys == 2
    keys = await live_keys(trial.user_id)
    assert [(key.label, key.tier) for key in keys] == [("Key 1", "standard"), ("Known", "free")]
    assert keys[1].id == known.id
    assert await trial.key_statuses() == ["converted", "converted"]


async def test_other_trials_are_left_alone(unit_of_work: Any) -> None:
    trial = await make_trial()
    async with unit_of_work() as session:
        other = await add_trial(session, trial.user_id, tier="enterprise")
    await trial.convert()
    assert await other.status() == "active"
    assert await other.key_statuses() == ["active", "active"]
    assert len(await live_keys(trial.user_id)) == 2


async def test_calls_of_the_trial_stay(unit_of_work: Any) -> None:
    trial = await make_trial()
    async with unit_of_work() as session:
        key = await session.get_one(TrialApiKey, trial.keys[0][0])
        call = await make_trial_call(session, key)
    await trial.convert()
    async with unit_of_work() as session:
        assert (await session.get_one(TrialApiCall, call.id)).api_key_id == key.id


async def test_fault_in_the_midst_leaves_all_as_it_was(
    unit_of_work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any) -> int:
        raise ZeroDivisionError

    trial = await make_trial()
    with monkeypatch.context() as patched:
        patched.setattr(trial_conversion, "_count_converted", broken)
        with pytest.raises(ZeroDivisionError):
            await trial.convert()
    assert await live_keys(trial.user_id) == []
    assert await trial.key_statuses() == ["active", "active"]
    assert await trial.status() == "active"
    assert (await trial.convert()).keys == 2
