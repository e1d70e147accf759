"""Whoever else is at a trial while it is converted: one of them is first, and both end well."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from app.core.clock import utc_now
from app.core.crypto import sha256_hex
from app.core.database import unit_of_work as one_unit
from app.flows.trial_conversion import Converted
from app.keys.service import NewKey
from app.trials import keys as trial_keys
from app.trials.service import cancel_trial
from app.trials.states import TrialMoveRefused
from tests.flows.trials import Trial, live_keys, make_trial

ROUNDS = 20


async def cancel(trial: Trial) -> None:
    async with one_unit() as session:
        await cancel_trial(session, trial.user_id, trial.slug, confirm=trial.name)


async def add_key(trial: Trial) -> NewKey:
    async with one_unit() as session:
        return await trial_keys.create_key(session, trial.user_id, trial.slug, label="One more")


async def revoke(trial: Trial) -> None:
    async with one_unit() as session:
        await trial_keys.revoke_key(session, trial.user_id, trial.slug, trial.keys[0][0])


async def test_fifty_conversions_at_once_are_one(unit_of_work: Any) -> None:
    trial = await make_trial(keys=5)
    converted = await asyncio.gather(*(trial.convert() for _ in range(50)))
    assert set(converted) == {Converted(trial.slug, trial.name, 5, "standard")}
    hashes = [key.key_hash for key in await live_keys(trial.user_id)]
    assert hashes == [sha256_hex(secret) for _, secret in trial.keys]


async def test_converted_trial_is_not_cancelled_nor_a_cancelled_one_converted(
    unit_of_work: Any,
) -> None:
    converted, cancelled = await make_trial(), await make_trial()
    await converted.convert()
    await cancel(cancelled)
    with pytest.raises(TrialMoveRefused):
        await cancel(converted)
    with pytest.raises(TrialMoveRefused):
        await cancelled.convert()
    assert [key.status for key in await live_keys(converted.user_id)] == ["active", "active"]
    assert await live_keys(cancelled.user_id) == []


async def test_of_conversion_and_cancelling_at_once_one_is_done_and_one_refused(
    unit_of_work: Any, report: Any
) -> None:
    seen: Counter[str] = Counter()
    for number in range(ROUNDS):
        trial = await make_trial()
        acts = [trial.convert(), cancel(trial)]
        ends = await asyncio.gather(*acts[:: 1 if number % 2 else -1], return_exceptions=True)
        assert [type(end) for end in ends].count(TrialMoveRefused) == 1
        status = await trial.status()
        seen[status] += 1
        expected = ["converted"] * 2 if status == "converted" else ["revoked"] * 2
        assert await trial.key_statuses() == expected
        assert len(await live_keys(trial.user_id)) == (2 if status == "converted" else 0)
    report(f"conversion against cancelling at once: {dict(sorted(seen.items()))}")


async def test_key_that_is_made_meanwhile_is_live_or_was_refused(unit_of_work: Any) -> None:
    for number in range(ROUNDS // 2):
        trial = await make_trial()
        acts = [trial.convert(), add_key(trial)]
        ends = await asyncio.gather(*acts[:: 1 if number % 2 else -1], return_exceptions=True)
        made = [sha256_hex(end.secret) for end in ends if isinstance(end, NewKey)]
        refused = [end for end in ends if isinstance(end, TrialMoveRefused)]
        assert len(made) + len(refused) == 1
        hashes = {key.key_hash for key in await live_keys(trial.user_id)}
        assert hashes == {*map(sha256_hex, (secret for _, secret in trial.keys)), *made}


async def test_key_that_is_revoked_meanwhile_is_live_or_revoked_never_both(
    unit_of_work: Any,
) -> None:
    for number in range(ROUNDS // 2):
        trial = await make_trial()
        acts = [trial.convert(), revoke(trial)]
        ends = await asyncio.gather(*acts[:: 1 if number % 2 else -1], return_exceptions=True)
        refused = [end for end in ends if isinstance(end, TrialMoveRefused)]
        assert len(await live_keys(trial.user_id)) == (2 if refused else 1)


async def test_key_that_another_program_is_just_revoking_does_not_come_back(
    unit_of_work: Any, database_url: str
) -> None:
    trial = await make_trial()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        statement = "UPDATE \"TrialApiKey\" SET status = 'revoked' WHERE id = %s"
        await other.execute(statement, [trial.keys[0][0]])
        converting = asyncio.create_task(trial.convert())
        await until_waiting(database_url)
        await other.commit()
    assert (await converting).keys == 1
    [key] = await live_keys(trial.user_id)
    assert key.key_hash == sha256_hex(trial.keys[1][1])


async def test_conversion_waits_for_no_call_that_is_being_written(
    unit_of_work: Any, database_url: str
) -> None:
    trial = await make_trial()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        statement = 'SELECT id FROM "TrialApiKey" FOR KEY SHARE'  # as a call's foreign key does
        await other.execute(statement)
        async with asyncio.timeout(5):
            assert (await trial.convert()).keys == 2


@pytest.mark.parametrize("ms", [-5, -1, 0, 1, 2, 5, 20])
async def test_conversion_at_the_very_moment_of_the_end_loses_nothing(
    unit_of_work: Any, ms: int
) -> None:
    trial = await make_trial(expires_at=utc_now() + timedelta(milliseconds=10 + ms))
    await asyncio.sleep(0.005)
    assert (await trial.convert()).keys == 2
    assert [key.status for key in await live_keys(trial.user_id)] == ["active", "active"]


async def until_waiting(url: str) -> None:
    """Return when somebody waits for a lock."""
    asked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as admin,
        asyncio.timeout(5),
    ):
        while (await (await admin.execute(asked)).fetchone()) == (0,):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.01)
