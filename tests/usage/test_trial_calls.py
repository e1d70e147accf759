"""Calls of trials in the log: among the others, marked, each once, and only for their owner."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.models import ApiKeyMetadata, TrialApiKey, User
from app.usage.calls import Cursor, count_recent_calls, list_calls, summarise_day
from tests.conftest import UnitOfWork
from tests.factories import (
    make_call,
    make_key,
    make_trial_call,
    make_trial_key,
    make_user,
    make_workspace,
)
from tests.plans import plans_of
from tests.statements import counted_statements

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Customer:
    """Somebody with a live key and one in a trial."""

    user: User
    live: ApiKeyMetadata
    trial: TrialApiKey


@pytest.fixture
async def customer(unit_of_work: UnitOfWork) -> Customer:
    async with unit_of_work() as session:
        user = await make_user(session)
        live, _ = await make_key(session, user, label="production")
        workspace = await make_workspace(session, user, slug="acme")
        trial, _ = await make_trial_key(session, workspace, label="first try")
    return Customer(user, live, trial)


async def test_trial_call_is_shown_with_its_key_and_its_trial(
    unit_of_work: UnitOfWork, customer: Customer
) -> None:
    async with unit_of_work() as session:
        call = await make_trial_call(
            session, customer.trial, created_at=NOON, status_code=422, latency_ms=7, units=0
        )
    async with unit_of_work() as session:
        [shown] = await list_calls(session, customer.user.id)
    assert (shown.id, shown.created_at, shown.status_code) == (call.id, NOON, 422)
    assert (shown.latency_ms, shown.units, shown.times) == (7, 0, 1)
    assert (shown.key_label, shown.trial_slug) == ("first try", "acme")
    assert (shown.key_start or "").startswith("lk_trial_")


@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_paging_runs_through_both_logs_in_one_order(
    unit_of_work: UnitOfWork, customer: Customer, size: int
) -> None:
    ids: list[tuple[datetime, str]] = []
    async with unit_of_work() as session:
        for place in range(9):
            moment = NOON + timedelta(milliseconds=place // 3)
            make, key = (
                (make_call, customer.live) if place % 2 else (make_trial_call, customer.trial)
            )
            call = await make(session, key, created_at=moment)  # type: ignore[operator]  # each its kind of key
            ids.append((moment, call.id))
    read: list[str] = []
    before = None
    while True:
        async with unit_of_work() as session:
            page = await list_calls(session, customer.user.id, before=before, limit=size)
        if not page:
            break
        read += [call.id for call in page]
        before = Cursor(page[-1].created_at, page[-1].id)
    assert read == [call_id for _, call_id in sorted(ids, reverse=True)]


@pytest.mark.parametrize("has_same_id", [True, False])
async def test_key_that_was_a_trials_shows_each_of_its_calls_once(
    unit_of_work: UnitOfWork, customer: Customer, has_same_id: bool
) -> None:
    async with unit_of_work() as session:
        earlier = await make_trial_call(session, customer.trial, created_at=NOON)
        customer.trial.status = "converted"
        session.add(customer.trial)
        same = {"id": customer.trial.id} if has_same_id else {}
        converted, _ = await make_key(session, customer.user, label="first try", **same)
        later = await make_call(session, converted, created_at=NOON + timedelta(seconds=1))
    async with unit_of_work() as session:
        shown = await list_calls(session, customer.user.id)
    assert [(call.id, call.trial_slug) for call in shown] == [
        (later.id, None),
        (earlier.id, "acme"),
    ]


@pytest.mark.parametrize("status", ["expired", "converted", "cancelled"])
async def test_calls_of_a_trial_that_ended_stay_in_the_log(
    unit_of_work: UnitOfWork, customer: Customer, status: str
) -> None:
    async with unit_of_work() as session:
        workspace = await make_workspace(session, customer.user, status=status)
        key, _ = await make_trial_key(session, workspace, status="revoked")
        await make_trial_call(session, key)
        assert len(await list_calls(session, customer.user.id)) == 1


async def test_stranger_sees_no_trials_calls(unit_of_work: UnitOfWork, customer: Customer) -> None:
    async with unit_of_work() as session:
        await make_trial_call(session, customer.trial)
        stranger = await make_user(session)
        await make_trial_key(session, await make_workspace(session, stranger))
        assert await list_calls(session, stranger.id) == []
        assert (await summarise_day(session, stranger.id)).calls == 0
        assert await count_recent_calls(session, stranger.id, customer.trial.id) == 0


async def test_day_and_key_count_trial_calls(unit_of_work: UnitOfWork, customer: Customer) -> None:
    async with unit_of_work() as session:
        for latency in range(1, 20):
            await make_trial_call(session, customer.trial, latency_ms=latency)
        await make_call(session, customer.live, latency_ms=100, status_code=500)
        yesterday = utc_now() - timedelta(days=1, minutes=1)
        await make_trial_call(session, customer.trial, created_at=yesterday, latency_ms=900)
    async with unit_of_work() as session:
        day = await summarise_day(session, customer.user.id)
        assert (day.calls, day.succeeded, day.p95_ms) == (20, 19, 19)
        assert await count_recent_calls(session, customer.user.id, customer.trial.id) == 19
        assert await count_recent_calls(session, customer.user.id, customer.live.id) == 1


async def test_each_question_stays_one_statement(
    unit_of_work: UnitOfWork, customer: Customer
) -> None:
    async with unit_of_work() as session:
        await make_trial_call(session, customer.trial)
    for ask in (
        lambda session: list_calls(session, customer.user.id),
        lambda session: summarise_day(session, customer.user.id),
        lambda session: count_recent_calls(session, customer.user.id, customer.trial.id),
    ):
        async with unit_of_work() as session:
            with counted_statements() as statements:
                await ask(session)
        assert len(statements) == 1


async def test_page_costs_the_number_of_keys_and_not_that_of_calls(
    unit_of_work: UnitOfWork, customer: Customer
) -> None:
    async with unit_of_work() as session:
        for calls in (2000, 4000):
            await fill(session, 'public."ApiCall"', customer.live.id, calls)
            await fill(session, 'latchkey."TrialApiCall"', customer.trial.id, calls)
            await session.exec(text('ANALYZE "ApiCall", latchkey."TrialApiCall"'))  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
            [plan] = await plans_of(
                session, lambda one: list_calls(one, customer.user.id, limit=10)
            )
            assert plan.rows_read <= 100


async def fill(session: AsyncSession, log: str, key_id: str, calls: int) -> None:
    """So many more calls of the key, of yesterday."""
    statement = text(f"""
        INSERT INTO {log} (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs", "createdAt")
        SELECT gen_random_uuid(), :key_id, '/a', 'GET', 200, 1,
            now() AT TIME ZONE 'UTC' - interval '1 day' + n * interval '1 second'
        FROM generate_series(1, :calls) AS n
    """)
    await session.exec(statement, params={"key_id": key_id, "calls": calls})  # type: ignore[call-overload]  # as above
