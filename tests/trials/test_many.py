"""A hundred thousand trials: what is asked of one owner's reads that owner's, and no others."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import unit_of_work
from app.trials.endings import follow_ends
from app.trials.notices import queue_notices
from app.trials.repository import list_active_trials
from tests.conftest import UnitOfWork
from tests.plans import plans_of

OWNERS, OF_ONE = 19_999, 500

# Triggers and foreign keys would take most of the time, and play no part in reading.
_FILL = f"""
    SET session_replication_role = replica;
    INSERT INTO "User" (id, email, "updatedAt", "emailVerified")
    SELECT 'owner-' || n, n || '@example.com', now(), now() FROM generate_series(0, {OWNERS}) AS n;
    INSERT INTO "TrialWorkspace" (id, name, slug, status, "createdAt", "expiresAt", "ownerId")
    SELECT 'trial-' || n, 'Trial ' || n, 'trial-' || n,
        CASE WHEN n % 5 < 2 THEN 'active' WHEN n % 5 < 4 THEN 'expired' ELSE 'converted' END,
        now() AT TIME ZONE 'UTC' - interval '20 days',
        now() AT TIME ZONE 'UTC' + CASE WHEN n % 5 < 2 THEN 1 ELSE -1 END * interval '10 days'
            - n * interval '1 second',
        'owner-' || CASE WHEN n <= {OF_ONE} THEN 0 ELSE 1 + n % {OWNERS} END
    FROM generate_series(1, 100000) AS n;
    INSERT INTO "TrialApiKey" (id, "workspaceId", "keyHash")
    SELECT 'key-' || n, 'trial-' || n, 'hash-' || n FROM generate_series(1, 100000) AS n;
    INSERT INTO latchkey."TrialNotice" (id, "workspaceId", kind, "endsAt")
    SELECT id, id, 'ended', "expiresAt" FROM "TrialWorkspace" WHERE status = 'expired';
    SET session_replication_role = DEFAULT;
    ANALYZE "User", "TrialWorkspace", "TrialApiKey", latchkey."TrialNotice";
"""


@pytest.fixture
async def many(unit_of_work: UnitOfWork) -> UnitOfWork:
    async with unit_of_work() as session:
        connection = await session.connection()
        for statement in filter(str.strip, _FILL.split(";")):
            await connection.execute(text(statement))
    return unit_of_work


async def test_what_is_asked_of_a_hundred_thousand_trials_reads_little(
    many: UnitOfWork, report: Callable[[str], None]
) -> None:
    for name, owner_id, count in (
        ("2 of an owner's 5", "owner-777", 2),
        ("200 of an owner's 500", "owner-0", 200),
        ("none", "nobody", 0),
    ):
        ask = partial(list_active_trials, owner_id=owner_id)
        async with many() as session:
            trials = await ask(session)
            plans = await plans_of(session, ask)
        assert len(trials) == count
        assert all(len(trial.keys) == 1 for trial in trials)
        rows, pages = sum(plan.rows_read for plan in plans), sum(plan.pages for plan in plans)
        report(
            f"active trials with keys, {name}, among 100,000: "
            f"{sum(plan.milliseconds for plan in plans):.2f} ms in PostgreSQL, "
            f"{await _median_ms(ask, 31):.2f} ms in all; {rows} rows and {pages} pages read"
        )
        assert all("TrialWorkspace_ownerId_idx" in plan.indexes for plan in plans)
        assert all(not plan.tables_read_whole for plan in plans)
        assert rows <= 4 * (count + 5)
        assert pages <= 10 * (count + 5)
    for name, follow in (("ends", follow_ends), ("mails", queue_notices)):
        report(f"a round over 100,000 trials, {name}: {await _median_ms(follow, 3):.0f} ms")


async def _median_ms(ask: Callable[[AsyncSession], Awaitable[Any]], times: int) -> float:
    took = []
    for _ in range(times):
        async with unit_of_work() as session:
            await session.connection()
            began = time.perf_counter()
            await ask(session)
            took.append(1000 * (time.perf_counter() - began))
    return median(took)
