"""A meter on a fresh database, keys for it, and a look at what it wrote."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet, MultiFernet
from psycopg.rows import dict_row

from app.billing.plans import Plans, Tier, TrialTerms
from app.metering.asgi import ASGIApp
from app.metering.meter import Meter
from tests.factories import make_key, make_trial_key, make_user, make_workspace

PLENTY = 1_000_000
CIPHER = MultiFernet([Fernet(Fernet.generate_key())])


def plans(*, units: int = PLENTY, rate: int = PLENTY, trial_units: int = PLENTY) -> Plans:
    """Plans whose tiers all give the same."""
    tiers = [
        Tier(name, name, "", 0, 0, "", "", units, rate, 10, 30)
        for name in ("free", "standard", "enterprise")
    ]
    return Plans(tuple(tiers), TrialTerms(days=14, units=trial_units, data_days=30))


StartMeter = Callable[..., Awaitable[Meter]]


@asynccontextmanager
async def running(inner: ASGIApp, url: str, **options: Any) -> AsyncIterator[Meter]:
    options.setdefault("max_body_bytes", 1024)
    options.setdefault("plans", plans)
    meter = Meter(inner, database_url=lambda: url, **options)
    await meter.start()
    try:
        yield meter
    finally:
        await meter.stop()


@pytest.fixture
async def start_meter(database_url: str) -> AsyncIterator[StartMeter]:
    """Starts a meter around an app, and stops it after the test."""
    async with AsyncExitStack() as stack:

        async def start(inner: ASGIApp, url: str = database_url, **options: Any) -> Meter:
            return await stack.enter_async_context(running(inner, url, **options))

        yield start


@pytest.fixture
def start_keyed(start_meter: StartMeter) -> StartMeter:
    """Starts a meter that heeds `Idempotency-Key`."""

    async def start(inner: ASGIApp, *args: Any, **options: Any) -> Meter:
        return await start_meter(inner, *args, **{"cipher": lambda: CIPHER, **options})

    return start


@dataclass
class Key:
    """A key in the database, and its secret."""

    id: str
    secret: str
    owner_id: str
    tier: str


@pytest.fixture
async def live_key(unit_of_work: Any) -> Key:
    async with unit_of_work() as session:
        user = await make_user(session)
        row, secret = await make_key(session, user, tier="starter")
    return Key(row.id, secret, user.id, "starter")


@pytest.fixture
async def trial_key(unit_of_work: Any) -> Key:
    async with unit_of_work() as session:
        user = await make_user(session)
        workspace = await make_workspace(session, user, tier="enterprise")
        row, secret = await make_trial_key(session, workspace)
    return Key(row.id, secret, user.id, "enterprise")


class Tables:
    """The database as another program sees it."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def execute(self, statement: str, *params: Any) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            connection.row_factory = dict_row
            cursor = await connection.execute(statement, params)
            return await cursor.fetchall() if cursor.description else []

    async def calls(self) -> list[dict[str, Any]]:
        return await self.execute('SELECT * FROM "ApiCall" ORDER BY id')

    async def trial_calls(self) -> list[dict[str, Any]]:
        return await self.execute('SELECT * FROM latchkey."TrialApiCall" ORDER BY id')

    async def usage(self) -> tuple[int, int, int, int]:
        """Calls and units by the hour, and calls and units by period; all keys together."""
        await self.execute("SELECT latchkey.fold_usage()")
        [row] = await self.execute(
            "SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(units), 0) AS units "
            'FROM latchkey."UsageHour"'
        )
        [period] = await self.execute(
            "SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(units), 0) AS units "
            'FROM latchkey."UsagePeriod"'
        )
        return int(row["calls"]), int(row["units"]), int(period["calls"]), int(period["units"])


@pytest.fixture
def tables(database_url: str) -> Tables:
    return Tables(database_url)
