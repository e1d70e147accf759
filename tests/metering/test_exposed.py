"""`POST /api/v1/keys/report`: taken from anybody, answered alike, bounded, and acted on."""

import json
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.keys import reports
from app.keys.format import new_key
from app.metering.meter import Meter
from app.metering.own.paths import EXPOSED
from tests.metering.client import Reply, ask
from tests.metering.conftest import Key, StartMeter, Tables
from tests.metering.services import JSON, ROOT, start_service

STATUS = 'SELECT status FROM "ApiKeyMetadata"'
TOLD = "SELECT args FROM latchkey.procrastinate_jobs"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "ANSWER_SECONDS", 0.005)


async def post(meter: Meter, body: object, **request: Any) -> Reply:
    request.setdefault("headers", JSON)
    return await ask(meter, "POST", EXPOSED, body=[json.dumps(body).encode()], **request)


def forwarded(address: str) -> list[tuple[str, str]]:
    return [*JSON, ("X-Forwarded-For", address)]


@pytest.mark.usefixtures("quick")
async def test_genuine_key_gets_its_day_and_no_key_is_asked_for(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    question = {
        "key": f"{live_key.secret}\n",
        "url": "https://paste.example/1",
        "source": "a paste",
    }
    reply = await post(meter, question)
    assert (reply.status, reply.json()) == (200, {"received": 1})
    assert reply.headers["cache-control"] == "no-store"
    [detail] = await tables.execute('SELECT "graceEndsAt" FROM latchkey."ApiKeyDetail"')
    assert detail["graceEndsAt"] is not None
    assert await tables.execute(TOLD) == [{"args": {"key_id": live_key.id}}]
    [seen] = await tables.execute('SELECT place FROM latchkey."KeyExposure"')
    assert seen["place"] == "paste[.]example/1, a paste"
    assert await tables.calls() == []


@pytest.mark.usefixtures("quick")
async def test_genuine_and_unknown_and_malformed_are_answered_alike(
    start_meter: StartMeter, live_key: Key, trial_key: Key
) -> None:
    meter = await start_service(start_meter)
    sent = [
        live_key.secret,
        live_key.secret,
        trial_key.secret,
        new_key("live"),
        "lk_live_x",
        "",
        ROOT,
    ]
    replies = [await post(meter, {"key": key}) for key in sent]
    heads = [{**reply.headers, "x-request-id": ""} for reply in replies]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert all(head == heads[0] for head in heads)


async def test_answer_takes_the_same_time_whatever_was_found(
    start_meter: StartMeter, live_key: Key, report: Callable[[str], None]
) -> None:
    meter = await start_service(start_meter)
    times: dict[str, list[float]] = {"genuine": [], "unknown": [], "malformed": []}
    for _ in range(3):
        sent = {"genuine": live_key.secret, "unknown": new_key("live"), "malformed": "x"}
        for kind, key in sent.items():
            begun_at = time.perf_counter()
            await post(meter, {"key": key})
            times[kind].append(time.perf_counter() - begun_at)
    medians = {kind: statistics.median(each) for kind, each in times.items()}
    spread = max(medians.values()) / min(medians.values())
    shown = ", ".join(f"{median * 1000:.1f} ms {kind}" for kind, median in medians.items())
    report(f"reporting a key: {shown} (medians of 3), largest to smallest {spread:.3f}")
    assert min(min(each) for each in times.values()) >= reports.ANSWER_SECONDS
    assert spread < 1.15


@pytest.mark.usefixtures("quick")
async def test_list_of_a_hundred_is_taken_and_no_longer_one(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    many = [{"key": new_key("live")} for _ in range(reports.MOST_AT_ONCE - 1)]
    reply = await post(meter, [*many, {"key": live_key.secret}])
    assert (reply.status, reply.json()) == (200, {"received": 100})
    assert len(await tables.execute(TOLD)) == 1
    for wrong in ([], [*many, *many]):
        reply = await post(meter, wrong)
        assert (reply.status, reply.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["key"]),
        ({"key": 1}, ["key"]),
        ({"key": "x" * 201}, ["key"]),
        ({"key": "x", "more": 1}, ["more"]),
        ({"key": "x", "url": "u" * 2001}, ["url"]),
        ([{"key": "x"}, {"url": "x"}], ["reports.1.key"]),
    ],
)
async def test_what_is_no_report_is_said_by_field_and_never_repeated(
    start_meter: StartMeter, body: object, fields: list[str]
) -> None:
    meter = await start_service(start_meter)
    reply = await post(meter, body)
    assert reply.status == 422
    assert [one["field"] for one in reply.json()["errors"]] == fields
    assert "xxx" not in reply.body.decode()


async def test_other_refusals_are_those_of_every_route_of_ours(start_meter: StartMeter) -> None:
    meter = await start_service(start_meter)
    assert (await ask(meter, "GET", EXPOSED)).status == 405
    assert (await post(meter, {"key": "x"}, headers=[])).status == 415
    assert (await ask(meter, "POST", EXPOSED, headers=JSON, body=[b"{"])).status == 400
    assert (await post(meter, {"key": "x", "url": "u" * 300_000})).status == 413


async def test_key_in_the_url_is_refused_and_its_owner_told(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    meter = await start_service(start_meter)
    reply = await post(meter, {"key": "x"}, query=f"key={live_key.secret}")
    assert (reply.status, reply.json()["code"]) == (400, "key_in_url")
    await meter.stop()
    assert len(await tables.execute('SELECT "keyId" FROM latchkey."KeyLeak"')) == 1


@pytest.mark.usefixtures("quick")
async def test_network_may_report_so_many_keys_an_hour(
    start_meter: StartMeter, live_key: Key, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "KEYS_OF_NETWORK", 3)
    meter = await start_service(start_meter, trusted_proxy_hops=1)
    here, there = forwarded("203.0.113.7"), forwarded("203.0.113.8")
    assert (await post(meter, [{"key": "x"}] * 3, headers=here)).status == 200
    refused = await post(meter, {"key": live_key.secret}, headers=here)
    assert (refused.status, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 60
    assert await tables.execute(TOLD) == []
    assert (await post(meter, {"key": live_key.secret}, headers=there)).status == 200
    assert len(await tables.execute(TOLD)) == 1


@pytest.mark.usefixtures("quick")
async def test_root_key_is_named_to_the_operator_by_its_digest(
    start_meter: StartMeter, caplog: pytest.LogCaptureFixture
) -> None:
    meter = await start_service(start_meter)
    with caplog.at_level(logging.ERROR):
        await post(meter, [{"key": ROOT}, {"key": new_key("root")}])
    [record] = caplog.records
    assert "A root key was reported as exposed" in record.getMessage()
    assert ROOT not in caplog.text
    assert ROOT[12:] not in caplog.text


@pytest.mark.usefixtures("quick")
async def test_revoked_at_once_where_the_plans_say_so(
    start_meter: StartMeter, live_key: Key, tables: Tables
) -> None:
    from app.billing.plans import ExposureTerms, Plans
    from tests.metering.conftest import plans

    def strict() -> Plans:
        usual = plans()
        return Plans(usual.tiers, usual.trials, ExposureTerms("revoke"))

    meter = await start_service(start_meter, plans=strict)
    assert (await ask(meter, "GET", "/api/v1/key", key=live_key.secret)).status == 200
    await post(meter, {"key": live_key.secret})
    assert await tables.execute(STATUS) == [{"status": "revoked"}]
    begun_at = time.monotonic()
    while (await ask(meter, "GET", "/api/v1/key", key=live_key.secret)).status == 200:
        assert time.monotonic() - begun_at < 1
    refused = await ask(meter, "GET", "/api/v1/key", key=live_key.secret)
    assert refused.json()["code"] == "revoked_key"


async def test_database_that_is_away_is_said(start_meter: StartMeter, live_key: Key) -> None:
    from app.core import database

    meter = await start_service(start_meter)
    await database.dispose()
    database.point_at("postgresql://127.0.0.1:1/none")
    reply = await post(meter, {"key": live_key.secret})
    assert (reply.status, reply.json()["code"]) == (503, "recording_unavailable")
