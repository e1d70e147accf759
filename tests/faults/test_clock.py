"""One node's clock is ten minutes off: nothing that it decides or writes shows it."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest

from app.core import database
from tests.factories import make_key, make_subscription, make_trial_key, make_user, make_workspace
from tests.faults.afterwards import Report
from tests.faults.api_process import ApiProcess, write_plans
from tests.faults.conftest import StartApi
from tests.faults.counters import differences

SHIFTED = str(Path(__file__).with_name("shifted.py"))
OFF = timedelta(minutes=10)
SOON = timedelta(minutes=5)
"""Nearer than the clock is off: who went by it would decide otherwise."""
_WRITTEN = """
    SELECT id, "createdAt" FROM "ApiCall" UNION ALL SELECT id, "createdAt"
    FROM latchkey."TrialApiCall"
"""
_PERIODS = """
    SELECT "startsAt", latchkey.period_start("scopeId", now() AT TIME ZONE 'UTC')
    FROM latchkey."UsagePeriod" JOIN "User" ON "User".id = "scopeId"
"""
TOLERANCE_SECONDS = 1.0
"""The database's clock is known to half a round trip; the rest is for the two cores."""


@pytest.mark.parametrize("off", [OFF, -OFF], ids=["ahead", "behind"])
async def test_node_whose_clock_is_off_decides_and_writes_by_the_databases(
    start_api: StartApi, database_url: str, tmp_path: Path, report: Report, off: timedelta
) -> None:
    secrets = await _make_cases()
    program = (sys.executable, SHIFTED, str(int(off.total_seconds())))
    api = await start_api(program=program, PLANS_FILE=str(write_plans(tmp_path, units=1)))
    answers = [await _call(api, name, secret) for name, secret in secrets]
    await api.stop()
    assert {name: outcome for name, outcome, _ in answers} == {
        "first": "200",
        "again": "quota_exceeded",
        "expires soon": "200",
        "expired lately": "expired_key",
        "grace ends soon": "200",
        "grace ended lately": "expired_key",
        "trial ends soon": "200",
        "trial ended lately": "trial_ended",
    }
    worst = max(lateness for _, _, lateness in answers)
    report(
        f"clock off by {off.total_seconds():+.0f} s: {len(answers)} answers by the database's "
        f"time, ids and rows within {worst:.3f} s of it"
    )
    assert worst < TOLERANCE_SECONDS
    _check_written(database_url, calls=len(answers))
    assert differences(database_url) == []


async def _make_cases() -> list[tuple[str, str]]:
    """(what it is, secret); the month of each one's account began, or ends, lately."""
    now = datetime.now(UTC)
    async with database.unit_of_work() as session:
        month_ends_soon = await make_user(session)
        await make_subscription(session, month_ends_soon, current_period_start=_month_before(now))
        _, first = await make_key(session, month_ends_soon)
        cases = [("first", first), ("again", first)]
        for name, column, ends_at in [
            ("expires soon", "expires_at", now + SOON),
            ("expired lately", "expires_at", now - SOON),
            ("grace ends soon", "grace_ends_at", now + SOON),
            ("grace ended lately", "grace_ends_at", now - SOON),
        ]:
            owner = await make_user(session)
            await make_subscription(session, owner, current_period_start=now - SOON)
            _, secret = await make_key(session, owner, detail={column: ends_at})
            cases.append((name, secret))
        for name, ends_at in [("trial ends soon", now + SOON), ("trial ended lately", now - SOON)]:
            workspace = await make_workspace(session, month_ends_soon, expires_at=ends_at)
            _, secret = await make_trial_key(session, workspace)
            cases.append((name, secret))
    await database.dispose()
    return cases


def _month_before(now: datetime) -> datetime:
    """The start of a month that ends soon; where the last month is too short, of another."""
    ends = now + SOON
    last = ends.replace(day=1) - timedelta(days=1)
    return last.replace(day=min(ends.day, last.day))


async def _call(api: ApiProcess, name: str, secret: str) -> tuple[str, str, float]:
    """(what it is, status or code, by how many seconds its id is off the time of the call)."""
    async with httpx.AsyncClient() as client:
        began = time.time()
        reply = await client.post(
            f"{api.url}/api/v1/screen", json={"name": "Jane"}, headers={"X-API-Key": secret}
        )
        ended = time.time()
    said = (UUID(reply.headers["x-request-id"]).int >> 80) / 1000
    outcome = "200" if reply.status_code == 200 else reply.json()["code"]
    return name, outcome, max(began - said, said - ended, 0.0)


def _check_written(url: str, calls: int) -> None:
    """Rows, last uses and periods say the same time as the ids, and as the database."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(_WRITTEN).fetchall()
        uses = connection.execute(
            "SELECT max(abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - \"lastUsedAt\"))) "
            'FROM latchkey."KeyLastUse"'
        ).fetchone()
        periods = connection.execute(_PERIODS).fetchall()
    assert len(rows) == calls
    for call_id, created_at in rows:
        assert UUID(call_id).int >> 80 == round(created_at.replace(tzinfo=UTC).timestamp() * 1000)
    assert uses is not None
    assert uses[0] < SOON.total_seconds()
    assert len(periods) == 5
    assert [period for period in periods if period[0] != period[1]] == []
