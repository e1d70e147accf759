"""Two nodes on one database: limits at the edge, and revocation, hold on both together."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest

from tests.faults.accounts import make_keys
from tests.faults.afterwards import TIMES, Report, check_afterwards
from tests.faults.api_process import ApiProcess, write_plans
from tests.faults.callers import Callers, Key
from tests.faults.conftest import StartApi

UNITS = 300
MANY_UNITS = 1600
"""The first 600 of them may be counted later."""

RATE = 20
SECONDS_AT_THE_RATE = 3.0
CLIENTS = 16
REVOKED_SECONDS = 1.0
UNHEARD_SECONDS = 0.5
"""How long a node may let in what the other has not heard of: REPORT_SECONDS, and slow cores."""


async def start_nodes(
    start_api: StartApi, count: int, folder: Path, **limits: int
) -> list[ApiProcess]:
    """So many nodes with these limits, and an app that answers at once."""
    settings = {"PLANS_FILE": str(write_plans(folder, **limits)), "API_APP": "inner_apps:quick"}
    return list(await asyncio.gather(*(start_api(**settings) for _ in range(count))))


def most_over(nodes: int) -> int:
    """Units that an account may be over: what is in flight at once when there are several nodes."""
    return 0 if nodes == 1 else CLIENTS


@pytest.mark.parametrize("nodes", [1, 2])
async def test_account_gets_all_its_units_and_hardly_more(
    start_api: StartApi, tmp_path: Path, database_url: str, report: Report, nodes: int
) -> None:
    running = await start_nodes(start_api, nodes, tmp_path, units=UNITS)
    over, everyone = [], Callers([], [], count=0)
    for _ in range(TIMES):
        callers = await _spend_all(running, await make_keys(live=2, trial=0))
        over.append(len(callers.good) - UNITS)
        _check_none_refused_while_units_were_left(callers)
        everyone.answered += callers.answered
    await asyncio.gather(*(node.stop() for node in running))
    what = f"{UNITS} units at the edge on {nodes} node(s), over by {over}"
    check_afterwards(what, everyone, database_url, report)
    assert min(over) >= 0
    assert max(over) <= most_over(nodes)


async def test_account_that_was_counted_later_is_held_to_its_units(
    start_api: StartApi, tmp_path: Path, database_url: str, report: Report
) -> None:
    running = await start_nodes(start_api, 2, tmp_path, units=MANY_UNITS)
    callers = await _spend_all(running, await make_keys(live=2, trial=0))
    over = len(callers.good) - MANY_UNITS
    seconds = max(one.ended_at for one in callers.good) - min(one.began_at for one in callers.good)
    await asyncio.gather(*(node.stop() for node in running))
    what = f"{MANY_UNITS} units in {seconds:.1f} s on 2 nodes, over by {over}"
    check_afterwards(what, callers, database_url, report)
    _check_none_refused_while_units_were_left(callers, MANY_UNITS)
    assert 0 <= over <= most_over(2)


async def _spend_all(nodes: list[ApiProcess], keys: list[Key]) -> Callers:
    """Call until every client was refused several times."""
    async with Callers([node.url for node in nodes], keys, count=CLIENTS) as callers:
        await callers.until(lambda now: now.statuses.get(429, 0) >= 10 * CLIENTS)
    assert {answer.code for answer in callers.answered} == {"", "quota_exceeded"}
    return callers


def _check_none_refused_while_units_were_left(callers: Callers, units: int = UNITS) -> None:
    """When the first refusal came, as many calls as there are units were under way or answered."""
    refused_at = min(answer.ended_at for answer in callers.answered if answer.status == 429)
    assert sum(answer.began_at < refused_at for answer in callers.good) >= units


@pytest.mark.parametrize("nodes", [1, 2])
async def test_key_is_held_to_its_rate(
    start_api: StartApi, tmp_path: Path, database_url: str, report: Report, nodes: int
) -> None:
    running = await start_nodes(start_api, nodes, tmp_path, rate=RATE)
    keys = await make_keys(live=1, trial=0)
    async with Callers([node.url for node in running], keys, count=CLIENTS) as callers:
        await asyncio.sleep(SECONDS_AT_THE_RATE)
    await asyncio.gather(*(node.stop() for node in running))
    seconds = max(one.ended_at for one in callers.good) - min(one.began_at for one in callers.good)
    times_the_rate = len(callers.good) / (RATE * (seconds + 1))
    what = f"{RATE} calls/s on {nodes} node(s), {times_the_rate:.2f} times as many let in"
    check_afterwards(what, callers, database_url, report)
    assert {answer.code for answer in callers.answered} == {"", "rate_limited"}
    # A second's burst at once, then the rate; one more, for a call may begin as it is let in.
    # The burst of the other node is made up for by then.
    unheard = (nodes - 1) * (RATE * UNHEARD_SECONDS + 1)
    assert len(callers.good) <= RATE * (seconds + 1) + 1 + unheard
    assert len(callers.good) >= RATE * seconds / 2


@pytest.mark.parametrize("with_notifications", [True, False])
async def test_revoked_key_is_refused_on_both_nodes_within_a_second(
    start_api: StartApi, tmp_path: Path, database_url: str, report: Report, with_notifications: bool
) -> None:
    running = await start_nodes(start_api, 2, tmp_path)
    slowest = 0.0
    for _ in range(TIMES):
        [key] = await make_keys(live=1, trial=0)
        async with Callers([node.url for node in running], [key], count=4) as callers:
            await callers.some_answers()
            revoked_at = await asyncio.to_thread(
                _revoke, database_url, key, is_quiet=not with_notifications
            )
            for node in running:
                await callers.until(lambda now, url=node.url: _times_revoked(now, url) >= 10)
        late = max((one.began_at - revoked_at for one in callers.good), default=0.0)
        slowest = max(slowest, late)
        assert {answer.code for answer in callers.answered} == {"", "revoked_key"}
    how = "with" if with_notifications else "without"
    report(
        f"revoked {TIMES} times on 2 nodes {how} notifications: the last good call began "
        f"{slowest:.3f} s after the revocation"
    )
    assert slowest < REVOKED_SECONDS


def _times_revoked(callers: Callers, url: str) -> int:
    return sum(one.status == 401 and one.url == url for one in callers.answered)


def _revoke(url: str, key: Key, *, is_quiet: bool) -> float:
    """When another program had revoked it; `is_quiet`: no trigger ran, so nobody was told."""
    statement = "UPDATE \"ApiKeyMetadata\" SET status = 'revoked' WHERE id = %s"
    with psycopg.connect(url, autocommit=True) as connection:
        if is_quiet:
            connection.execute("SET session_replication_role = replica")
        connection.execute(statement, [key[0]])
        return time.monotonic()
