"""A program that calls throughout a conversion is refused nothing, and each call is kept once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from app.core.clock import utc_now
from app.metering import key_cache
from app.metering.meter import Meter
from tests.faults.counters import differences
from tests.flows.trials import Trial, ago, live_keys, make_trial
from tests.metering.apps import answering, mirror
from tests.metering.client import Reply, ask
from tests.metering.conftest import CIPHER, Tables, running
from tests.metering.keyed import Gate, counting, keyed

CALLERS = 8
DEAF = """
    ALTER TABLE "ApiKeyMetadata" DISABLE TRIGGER latchkey_notify;
    ALTER TABLE "TrialApiKey" DISABLE TRIGGER latchkey_notify;
    ALTER TABLE "TrialWorkspace" DISABLE TRIGGER latchkey_notify;
    ALTER TABLE latchkey."ApiKeyDetail" DISABLE TRIGGER latchkey_notify;
"""


class Callers:
    """Programs that call in a loop with all keys of a trial."""

    def __init__(self, meter: Any, trial: Trial) -> None:
        self._meter = meter
        self._secrets = [secret for _, secret in trial.keys]
        self.replies: list[Reply] = []

    async def until_live(self, times: int = 50) -> None:
        """Return when so many answers were to live keys; a trial's carry its end."""
        async with asyncio.timeout(10):
            while self.live < times:  # noqa: ASYNC110  # it can only be asked
                await asyncio.sleep(0.01)

    @property
    def live(self) -> int:
        return len(self.replies) - self.of_the_trial

    @property
    def of_the_trial(self) -> int:
        return sum("x-trial-ends" in reply.headers for reply in self.replies)

    @property
    def statuses(self) -> set[int]:
        return {reply.status for reply in self.replies}

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._call(number)) for number in range(CALLERS)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, number: int) -> None:
        secret = self._secrets[number % len(self._secrets)]
        while True:
            self.replies.append(await asyncio.shield(ask(self._meter, key=secret)))
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("with_notifications", [True, False])
async def test_no_call_is_refused_and_each_is_in_one_log_once(
    unit_of_work: Any, database_url: str, tables: Tables, report: Any, with_notifications: bool
) -> None:
    trial = await make_trial()
    if not with_notifications:
        await tables.execute(DEAF)
    async with running(answering(), database_url) as meter:
        callers = Callers(meter, trial)
        async with callers.calling():
            await asyncio.sleep(0.3)
            await trial.convert()
            await callers.until_live()
    heard = "" if with_notifications else ", unheard"
    report(
        f"a conversion under calls{heard}: {callers.of_the_trial} answers to the trial's keys, "
        f"{callers.live} to live keys; statuses {sorted(callers.statuses)}"
    )
    assert callers.statuses == {200}
    assert callers.of_the_trial > CALLERS
    calls, trial_calls = await tables.calls(), await tables.trial_calls()
    ids = [reply.request_id for reply in callers.replies]
    assert len(ids) == len(set(ids))
    assert set(ids) <= {call["id"] for call in (*calls, *trial_calls)}
    assert {call["apiKeyId"] for call in trial_calls} == {key_id for key_id, _ in trial.keys}
    assert {call["apiKeyId"] for call in calls} == {
        key.id for key in await live_keys(trial.user_id)
    }
    assert differences(database_url) == []


async def test_trial_that_was_converted_in_time_is_not_refused_for_want_of_the_news(
    unit_of_work: Any, database_url: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that has not heard of it asks again when the trial's time is up."""
    monkeypatch.setattr(key_cache, "RECHECK_SECONDS", 60)
    monkeypatch.setattr(key_cache, "DEAD_SECONDS", 60)
    await tables.execute(DEAF)
    trial = await make_trial(expires_at=utc_now() + timedelta(hours=1))
    secret = trial.keys[0][1]
    async with running(answering(), database_url) as meter:
        await ask(meter, key=secret)
        await trial.convert()
        assert "x-trial-ends" in (await ask(meter, key=secret)).headers
        let_an_hour_pass(meter)
        reply = await ask(meter, key=secret)
    assert reply.status == 200
    assert "x-trial-ends" not in reply.headers


async def test_key_of_a_trial_that_was_over_works_again_within_a_second(
    unit_of_work: Any, database_url: str
) -> None:
    trial = await make_trial(expires_at=ago(minutes=1))
    secret = trial.keys[0][1]
    async with running(mirror(), database_url) as meter:
        refused = await ask(meter, key=secret)
        assert (refused.status, refused.json()["code"]) == (402, "trial_ended")
        await trial.convert()
        async with asyncio.timeout(1):
            while (reply := await ask(meter, key=secret)).status != 200:
                pass
    [first, _] = await live_keys(trial.user_id)
    assert reply.json()["caller"] == [first.id, "standard", trial.user_id]


async def test_trial_that_is_over_is_not_asked_for_at_every_call(
    unit_of_work: Any, database_url: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = await make_trial(expires_at=utc_now() + timedelta(hours=1))
    secret = trial.keys[0][1]
    async with running(answering(), database_url) as meter:
        assert (await ask(meter, key=secret)).status == 200
        await tables.execute(DEAF)
        await tables.execute("""UPDATE "TrialWorkspace" SET "expiresAt" = now()""")
        let_an_hour_pass(meter)
        asked = []
        query = meter.keys._query

        async def noting(digests: Any, *, seconds: float) -> Any:
            asked.append(digests)
            return await query(digests, seconds=seconds)

        monkeypatch.setattr(meter.keys, "_query", noting)
        monkeypatch.setattr(meter.keys, "_recheck", none)
        monkeypatch.setattr(key_cache, "DEAD_SECONDS", 60)
        replies = [await ask(meter, key=secret) for _ in range(50)]
    assert {(reply.status, reply.json()["code"]) for reply in replies} == {(402, "trial_ended")}
    assert len(asked) == 1


async def test_call_that_is_in_work_ends_as_the_trial_s(
    unit_of_work: Any, database_url: str, tables: Tables
) -> None:
    trial, gate = await make_trial(keys=1), Gate()
    async with running(gate, database_url) as meter:
        first = asyncio.create_task(ask(meter, key=trial.keys[0][1]))
        await gate.working.wait()
        await trial.convert()
        gate.go_on.set()
        assert (await first).status == 200
        async with asyncio.timeout(2):
            while "x-trial-ends" in (await ask(meter, key=trial.keys[0][1])).headers:
                pass
    assert {call["apiKeyId"] for call in await tables.trial_calls()} == {trial.keys[0][0]}
    [key] = await live_keys(trial.user_id)
    assert {call["apiKeyId"] for call in await tables.calls()} == {key.id}


async def test_work_with_an_idempotency_key_is_done_once_across_the_conversion(
    unit_of_work: Any, database_url: str
) -> None:
    trial, app = await make_trial(keys=1), counting()
    secret = trial.keys[0][1]
    async with running(app, database_url, cipher=lambda: CIPHER) as meter:
        first = await ask(meter, key=secret, headers=keyed())
        await trial.convert()
        async with asyncio.timeout(2):
            while "x-trial-ends" in (await ask(meter, key=secret)).headers:
                pass
        calls = app.calls
        again = await ask(meter, key=secret, headers=keyed())
    assert (again.status, again.body, app.calls) == (201, first.body, calls)


async def test_quota_is_the_account_s_from_then_on(
    unit_of_work: Any, database_url: str, tables: Tables
) -> None:
    trial = await make_trial(keys=1)
    secret = trial.keys[0][1]
    async with running(answering(), database_url) as meter:
        for _ in range(3):
            await ask(meter, key=secret)
        await trial.convert()
        async with asyncio.timeout(2):
            while "x-trial-ends" in (await ask(meter, key=secret)).headers:
                pass
    await tables.execute("SELECT latchkey.fold_usage()")
    rows = await tables.execute(
        'SELECT "scopeId" AS scope, sum(units)::int AS units FROM latchkey."UsagePeriod" GROUP BY 1'
    )
    used = {row["scope"]: row["units"] for row in rows}
    assert used[trial.id] >= 3
    assert used[trial.user_id] == 1


def let_an_hour_pass(meter: Meter) -> None:
    """By the clock of this node, and a little more; it hears no other from now on."""
    meter.clock.observe = lambda *args: None  # type: ignore[method-assign]  # it would set it right
    meter.clock._offset += 3700


async def none() -> None:
    """Nothing is done."""
