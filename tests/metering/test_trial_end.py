"""A trial's keys stop with its last millisecond, by the database's clock and by nobody's job."""

from datetime import UTC

import pytest

from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, Tables


async def test_trial_key_is_refused_from_the_very_moment_of_its_end(
    start_meter: StartMeter, trial_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    [trial] = await tables.execute('SELECT status, "expiresAt" FROM "TrialWorkspace"')
    ends_ms = round(trial["expiresAt"].replace(tzinfo=UTC).timestamp() * 1000)
    meter = await start_meter(answering())
    answers = []
    for at_ms in (ends_ms - 1, ends_ms, ends_ms + 1, ends_ms - 1):
        monkeypatch.setattr(meter.clock, "at_ms", lambda _moment, at_ms=at_ms: at_ms)
        reply = await ask(meter, key=trial_key.secret)
        answers.append((reply.status, reply.json().get("code") if reply.status != 200 else None))
    assert answers == [(200, None), (402, "trial_ended"), (402, "trial_ended"), (200, None)]
    assert trial["status"] == "active"
