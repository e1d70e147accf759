"""What ended and was not converted goes when its day has come; the counters agree throughout."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import SQLModel, func, select, update

from app.core.clock import utc_now
from app.models import (
    ApiCall,
    ApiKeyMetadata,
    DeletedKey,
    TrialApiCall,
    TrialApiKey,
    TrialExtension,
    TrialNotice,
    TrialWorkspace,
    User,
)
from app.trials import retention
from app.trials.retention import delete_ended
from app.usage.sweeps import sweep
from app.usage.verify import Range, verify
from tests.conftest import UnitOfWork
from tests.factories import (
    make_call,
    make_key,
    make_trial_call,
    make_trial_key,
    make_user,
    make_workspace,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
DATA_DAYS = 30


@pytest.fixture
async def owner(unit_of_work: UnitOfWork) -> User:
    async with unit_of_work() as session:
        return await make_user(session)


async def make_ended(
    unit_of_work: UnitOfWork, owner: User, *, calls: int = 3, **overrides: Any
) -> TrialWorkspace:
    """A trial that ended a month and a day ago; its two keys have made so many calls each."""
    over = utc_now() - (DATA_DAYS + 1) * DAY
    values = {"created_at": over - 14 * DAY, "expires_at": over, "status": "expired"}
    async with unit_of_work() as session:
        trial = await make_workspace(session, owner, **{**values, **overrides})
        for _ in range(2):
            key, _ = await make_trial_key(session, trial)
            for place in range(calls):
                await make_trial_call(
                    session, key, created_at=utc_now() - place * timedelta(hours=0.3)
                )
    return trial


async def count(unit_of_work: UnitOfWork, model: type[SQLModel]) -> int:
    async with unit_of_work() as session:
        return (await session.exec(select(func.count()).select_from(model))).one()


async def test_trial_goes_with_all_that_is_of_it(unit_of_work: UnitOfWork, owner: User) -> None:
    trial = await make_ended(unit_of_work, owner)
    async with unit_of_work() as session:
        of_it = {"workspace_id": trial.id, "ends_at": trial.expires_at}
        session.add(TrialNotice(kind="ended", **of_it))
        session.add(TrialExtension(days=1, reason="x", ended_at=trial.expires_at, **of_it))
        live, _ = await make_key(session, owner)
        await make_call(session, live)
    report = await delete_ended()
    assert (report.trials, report.calls, report.reached) == (1, 6, None)
    for model in (TrialWorkspace, TrialApiKey, TrialApiCall, TrialNotice, TrialExtension):
        assert await count(unit_of_work, model) == 0
    for model in (User, ApiKeyMetadata, ApiCall):
        assert await count(unit_of_work, model) == 1
    assert await delete_ended() == retention.Report()


@pytest.mark.parametrize(
    ("status", "moments", "goes"),
    [
        ("expired", {"expires_at": 30}, True),
        ("expired", {"expires_at": 29}, False),
        ("active", {"expires_at": 30}, True),
        ("active", {"expires_at": -1}, False),
        ("cancelled", {"expires_at": -5, "cancelled_at": 30}, True),
        ("cancelled", {"expires_at": 40, "cancelled_at": 29}, False),
        ("cancelled", {"expires_at": 30}, True),
        ("converted", {"expires_at": 90, "converted_at": 95}, False),
        ("converted", {"expires_at": 90}, False),
        ("of another program", {"expires_at": 30}, True),
    ],
)
async def test_day_is_counted_from_the_end(
    unit_of_work: UnitOfWork, owner: User, status: str, moments: dict[str, int], goes: bool
) -> None:
    ago = {name: utc_now() - days * DAY - 2 * MINUTE for name, days in moments.items()}
    await make_ended(unit_of_work, owner, status=status, **ago)
    assert (await delete_ended()).trials == goes
    assert await count(unit_of_work, TrialApiCall) == (0 if goes else 6)


async def test_conversion_that_began_in_time_has_a_minute_to_be_done(
    unit_of_work: UnitOfWork, owner: User
) -> None:
    over = utc_now() - DATA_DAYS * DAY
    await make_ended(unit_of_work, owner, expires_at=over - retention.MARGIN + timedelta(seconds=9))
    assert (await delete_ended()).trials == 0
    await make_ended(unit_of_work, owner, expires_at=over - retention.MARGIN)
    assert (await delete_ended()).trials == 1


@pytest.mark.parametrize("saved", [{"status": "converted"}, {"expires_at": utc_now() + DAY}])
async def test_what_another_transaction_has_saved_meanwhile_stays(
    unit_of_work: UnitOfWork, owner: User, monkeypatch: pytest.MonkeyPatch, saved: dict[str, Any]
) -> None:
    await make_ended(unit_of_work, owner)
    list_due = retention._list_due

    async def list_and_save(after: str) -> Any:
        due = await list_due(after)
        async with unit_of_work() as session:
            await session.exec(update(TrialWorkspace).values(**saved))
        return due

    monkeypatch.setattr(retention, "_list_due", list_and_save)
    assert await delete_ended() == retention.Report()
    assert await count(unit_of_work, TrialApiCall) == 6


async def test_what_is_being_saved_is_not_waited_for(unit_of_work: UnitOfWork, owner: User) -> None:
    trial = await make_ended(unit_of_work, owner)
    other = await make_ended(unit_of_work, owner)
    async with unit_of_work() as converting:
        held = await converting.get_one(TrialWorkspace, trial.id, with_for_update=True)
        assert (await asyncio.wait_for(delete_ended(), 5)).trials == 1
        held.status = "converted"
    async with unit_of_work() as session:
        assert await session.get(TrialWorkspace, other.id) is None
        assert await session.get(TrialWorkspace, trial.id) is not None


@pytest.mark.parametrize("batch", [1, 2, 6, 7])
async def test_counters_agree_with_the_log_after_each_batch(
    unit_of_work: UnitOfWork, owner: User, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    await make_ended(unit_of_work, owner)
    kept = await make_ended(unit_of_work, owner, status="converted")
    await verify(Range(), repair=True)
    before = await count(unit_of_work, DeletedKey)
    delete_some, rounds = retention._delete_some, 0

    async def delete_and_verify(*args: Any) -> bool:
        nonlocal rounds
        rounds += 1
        is_more = await delete_some(*args)
        report = await verify(Range())
        assert (report.total, report.first) == (0, [])
        return is_more

    monkeypatch.setattr(retention, "_delete_some", delete_and_verify)
    report = await delete_ended(batch=batch)
    assert (report.trials, report.calls, rounds) == (1, 6, 6 // batch + 1)
    assert await count(unit_of_work, DeletedKey) == before + 2
    await sweep()
    assert (await verify(Range())).total == 0
    async with unit_of_work() as session:
        assert await session.get(TrialWorkspace, kept.id) is not None
    assert await count(unit_of_work, TrialApiCall) == 6


async def test_work_goes_on_where_the_time_was_up(unit_of_work: UnitOfWork, owner: User) -> None:
    for _ in range(3):
        await make_ended(unit_of_work, owner)
    reached: str | None = ""
    rounds = 0
    while reached is not None:
        clock = partial(next, iter([0.0, 1.0]))
        report = await delete_ended(after=reached, batch=4, budget_seconds=1, clock=clock)
        reached, rounds = report.reached, rounds + 1
        assert report.calls <= 4
        assert rounds < 20
    assert await count(unit_of_work, TrialWorkspace) == 0


async def test_two_jobs_at_once_delete_each_trial_once(
    unit_of_work: UnitOfWork, owner: User
) -> None:
    for _ in range(4):
        await make_ended(unit_of_work, owner)
    reports = await asyncio.gather(delete_ended(batch=2), delete_ended(batch=2))
    rest = await delete_ended()
    assert sum(report.trials for report in (*reports, rest)) == 4
    assert sum(report.calls for report in (*reports, rest)) == 24
