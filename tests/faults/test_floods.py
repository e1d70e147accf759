"""One caller's flood of slow, unknown or revoked requests is bounded; another's calls go on."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from app.api.server import BODY_SECONDS, HEAD_SECONDS
from app.metering.floods import MOST_A_SECOND
from tests.faults.limitless import Place, running_place
from tests.faults.raw_client import Timed, connected, request_bytes
from tests.portal import ROOT

TIMES = int(os.environ.get("FAULT_COUNT", "3"))
FLOOD_SECONDS = 1.5 * TIMES
UNKNOWN_A_SECOND = 10_000
REVOKED_A_SECOND = 100_000  # more than can be answered: as fast as it goes
SLOW_CONNECTIONS = 50 * TIMES
MORE_MEMORY_BYTES = 64 * 1024 * 1024
LATE_SECONDS = 3
"""For what is due at a time, on two cores that do much else."""

MOST_TIMES_SLOWER = 12
LEAST_MS = 20
"""A p99 under this counts as this: the tests' own work on the two cores makes as much."""

MiB = 1024 * 1024


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    names = ("calm", "slow", "revoked", *(f"rare-{number}" for number in range(20)))
    with running_place(postgres, tmp_path_factory.mktemp("floods"), *names) as running:
        yield running


class Others:
    """What other customers notice: one that calls all the time, and 20 that call every 2 s.

    Those must be looked up again with each call, behind whatever else is looked up.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.p99_before_ms = self.p99_ms = 0.0

    async def call(self, seconds: float) -> float:
        """The p99 of all their calls, in ms. Fails if any is refused."""
        often = Timed.of(self._place.url, self._place.secret("calm"))
        rare = [Timed.of(self._place.url, self._place.secret(f"rare-{at}")) for at in range(20)]
        await asyncio.gather(
            often.call_for(seconds), *(one.call_for(seconds, pause_seconds=2) for one in rare)
        )
        every = [often, *rare]
        assert {status for one in every for status in one.statuses} == {200}
        return Timed("", "", [each for one in every for each in one.seconds], []).p99()


@asynccontextmanager
async def watched(
    place: Place, what: str, report: Callable[[str], None], *, seconds: float
) -> AsyncIterator[list[str]]:
    """Do what is within while others call, and compare: their p99, and our memory."""
    others = Others(place)
    await others.call(0.5)
    before, memory = await others.call(max(FLOOD_SECONDS, 3)), place.api.memory_bytes()
    calling = asyncio.create_task(others.call(seconds))
    figures: list[str] = []
    yield figures
    during, grown = await calling, place.api.memory_bytes() - memory
    report(
        f"{what}: {'; '.join(figures)}; others' p99 {before:.1f} ms before, {during:.1f} ms "
        f"meanwhile ({during / before:.1f} times); memory {grown / MiB:+.1f} MiB"
    )
    assert during < MOST_TIMES_SLOWER * max(before, LEAST_MS)
    assert grown < MORE_MEMORY_BYTES


async def flooded(place: Place, rate: int, key: str) -> Counter[str]:
    """What was answered to a flood of FLOOD_SECONDS, by status."""
    command = ("-m", "tests.faults.flood", place.url, str(FLOOD_SECONDS), str(rate), key)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()  # it is ready
    output, _ = await process.communicate(b"go\n")
    return Counter(json.loads(output))


async def test_unknown_keys_are_told_so_and_nobody_else_notices(
    place: Place, report: Callable[[str], None]
) -> None:
    transactions = committed(place)
    async with watched(
        place, f"{UNKNOWN_A_SECOND:,} unknown keys a second", report, seconds=FLOOD_SECONDS + 1
    ) as figures:
        answered = await flooded(place, UNKNOWN_A_SECOND, "unknown")
        asked = committed(place) - transactions
        figures.append(
            f"{answered.total() / FLOOD_SECONDS:,.0f} a second were answered, {dict(answered)}; "
            f"{asked / answered.total():.2f} transactions each"
        )
    assert set(answered) <= {"401", "503"}
    assert answered["401"] > 1000
    assert asked < answered.total() / 3  # look-ups go together


async def test_revoked_key_in_a_tight_loop_leaves_few_rows(
    place: Place, report: Callable[[str], None]
) -> None:
    began = time.time()
    async with watched(
        place, "one revoked key in a tight loop", report, seconds=FLOOD_SECONDS + 1
    ) as figures:
        answered = await flooded(place, REVOKED_A_SECOND, place.secret("revoked"))
        rows = len(place.rows("revoked"))
        figures.append(f"{answered.total() / FLOOD_SECONDS:,.0f} a second, {rows} rows in all")
    assert set(answered) == {"401"}
    seconds = time.time() - began
    assert rows <= (MOST_A_SECOND + 1) * (seconds + 1)
    assert counted(place, "revoked") == answered.total()


async def test_slow_requests_are_cut_in_time_and_nobody_else_notices(
    place: Place, report: Callable[[str], None]
) -> None:
    whole = request_bytes(place.secret("slow"), body=100 * b" ")
    kinds = {
        "heads": (whole[:60], HEAD_SECONDS, [408]),
        "bodies": (whole[:-90], BODY_SECONDS, [408]),
        "nothing": (b"", HEAD_SECONDS, []),
    }
    async with watched(
        place,
        f"{SLOW_CONNECTIONS} connections each of a byte a second",
        report,
        seconds=BODY_SECONDS,
    ) as figures:
        cut = await asyncio.gather(
            *(
                seconds_until_cut(place, begin, answers)
                for begin, _, answers in kinds.values()
                for _ in range(SLOW_CONNECTIONS)
            )
        )
        for at, (kind, (_, due, _)) in enumerate(kinds.items()):
            times = cut[at * SLOW_CONNECTIONS : (at + 1) * SLOW_CONNECTIONS]
            figures.append(f"{kind} cut after {min(times):.1f} to {max(times):.1f} s")
            assert due - 1 < min(times)
            assert max(times) < due + LATE_SECONDS
    assert {status for _, status in place.rows("slow")} == {408}
    assert counted(place, "slow") == SLOW_CONNECTIONS


async def seconds_until_cut(place: Place, begin: bytes, statuses: list[int]) -> float:
    """How long the server bears a byte a second (nothing more, after nothing); what it says."""
    began = time.monotonic()
    async with connected(place.url) as connection:
        await connection.send(begin)

        async def trickle() -> None:
            while begin:
                await asyncio.sleep(1)
                await connection.send(b"x")

        trickling = asyncio.create_task(trickle())
        answer = await connection.answer()
        took = time.monotonic() - began
        trickling.cancel()
        assert [answer.status for _ in [0] if answer] == statuses
        assert not answer or answer.code == "request_timeout"
        assert await connection.is_closed()
    return took


def committed(place: Place) -> int:
    """How many transactions of this database have ended so far."""
    with psycopg.connect(place.database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def counted(place: Place, name: str) -> int:
    """For how many calls the rows of this key stand."""
    with psycopg.connect(place.database_url) as connection:
        row = connection.execute(
            'SELECT sum(coalesce(note.times, 1)) FROM "ApiCall" '
            'LEFT JOIN latchkey."CallNote" note ON note."callId" = "ApiCall".id '
            'WHERE "apiKeyId" = %s',
            [place.keys[name][0]],
        ).fetchone()
    assert row is not None
    return int(row[0])
