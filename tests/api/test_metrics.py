"""`/metrics` tells this machine, and holders of a root key, what this process has counted."""

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.front import Front
from app.api.metrics import make_metrics
from app.core.crypto import sha256_hex
from app.core.settings import Settings
from app.keys.format import new_key
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter, live_key, start_meter

__all__ = ["live_key", "start_meter"]  # fixtures

ROOT_KEY = new_key("root")
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"


@pytest.fixture
async def meter(start_meter: StartMeter) -> Any:
    return await start_meter(answering())


async def get(
    meter: Any, settings: Settings, client: str, method: str = "GET", **headers: str
) -> httpx.Response:
    changed = settings.model_copy(update={"root_keys": sha256_hex(ROOT_KEY)})
    front = Front(meter, answering(), metrics=make_metrics(meter, changed))
    transport = httpx.ASGITransport(front, client=(client, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        return await browser.request(method, "/metrics", headers=headers)


async def test_figures_are_those_of_the_calls(
    meter: Any, settings: Settings, live_key: Key
) -> None:
    for _ in range(3):
        assert (await ask(meter, key=live_key.secret)).status == 200
    reply = await get(meter, settings, HERE)
    assert reply.headers["content-type"].startswith("text/plain")
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }
    assert samples["latchkey_calls_recorded_total"] == 3
    assert samples["latchkey_recorder_well"] == 1
    assert samples["latchkey_calls_in_work"] == samples["latchkey_rows_waiting"] == 0
    assert 1 <= samples["latchkey_batches_total"] <= 3
    assert 0 < samples["latchkey_batch_seconds_total"] < 60
    assert samples["latchkey_keys_cached"] == samples["latchkey_keys_in_use"] == 1
    assert abs(samples["latchkey_clock_offset_seconds"]) < 5
    assert samples["latchkey_rate_reports_heard_total"] == 0
    assert samples["process_resident_memory_bytes"] > 0
    assert live_key.secret not in reply.text


@pytest.mark.parametrize("client", [HERE, "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_needs_no_key(meter: Any, settings: Settings, client: str) -> None:
    assert (await get(meter, settings, client)).status_code == 200
    reply = await get(meter, settings, client, "HEAD")
    assert (reply.status_code, reply.content) == (200, b"")


async def test_answers_are_counted_by_status_and_refusals_by_code(
    meter: Any, settings: Settings, live_key: Key
) -> None:
    assert (await ask(meter, key=live_key.secret)).status == 200
    for _ in range(2):
        assert (await ask(meter, key=new_key("live"))).status == 401
    text = (await get(meter, settings, HERE)).text.splitlines()
    assert 'latchkey_answers_total{status="200"} 1.0' in text
    assert 'latchkey_refusals_total{code="invalid_key"} 2.0' in text


async def test_others_need_a_root_key(meter: Any, settings: Settings, live_key: Key) -> None:
    reply = await get(meter, settings, ELSEWHERE)
    assert (reply.status_code, reply.json()["code"]) == (401, "missing_key")
    for key in (live_key.secret, new_key("root")):
        reply = await get(meter, settings, ELSEWHERE, **{"X-API-Key": key})
        assert (reply.status_code, reply.json()["code"]) == (401, "invalid_key")
    reply = await get(meter, settings, ELSEWHERE, authorization=f"Bearer {ROOT_KEY}")
    assert reply.status_code == 200


async def test_proxy_on_this_machine_is_not_this_machine(meter: Any, settings: Settings) -> None:
    forwarded = {"X-Forwarded-For": ELSEWHERE}
    assert (await get(meter, settings, HERE, **forwarded)).status_code == 401
    trusting = settings.model_copy(update={"trusted_proxy_hops": 1})
    assert (await get(meter, trusting, HERE, **forwarded)).status_code == 401
    pretending = {"X-Forwarded-For": f"{HERE}, {ELSEWHERE}"}
    assert (await get(meter, trusting, HERE, **pretending)).status_code == 401


@pytest.mark.parametrize("name", ["Via", "X-Real-IP", "CF-Connecting-IP", "X-Forwarded-Host"])
async def test_whatever_says_that_a_proxy_stands_between_is_heeded(
    meter: Any, settings: Settings, name: str
) -> None:
    assert (await get(meter, settings, HERE, **{name: ELSEWHERE})).status_code == 401


@pytest.mark.parametrize("host", ["rebound.example:8000", "localhost.example", "203.0.113.7"])
async def test_page_that_calls_this_machine_by_a_name_of_its_own_reads_nothing(
    meter: Any, settings: Settings, host: str
) -> None:
    assert (await get(meter, settings, HERE, host=host)).status_code == 401


async def test_nothing_but_looking_is_answered(meter: Any, settings: Settings) -> None:
    assert (await get(meter, settings, HERE, "POST")).status_code == 405
