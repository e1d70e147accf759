"""A service elsewhere, with its root key, as it speaks to the meter."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.crypto import sha256_hex
from app.core.ids import new_call_id
from app.keys.format import new_key
from app.metering.meter import Meter
from tests.metering.apps import answering
from tests.metering.client import Reply, ask
from tests.metering.conftest import StartMeter

ROOT = new_key("root")
DIGESTS = frozenset({bytes.fromhex(sha256_hex(ROOT))})
JSON = [("Content-Type", "application/json")]


async def start_service(start_meter: StartMeter, *args: Any, **options: Any) -> Meter:
    """A meter that this service may ask, around an app that must not be called."""
    inner = answering()
    options.setdefault("root_keys", DIGESTS)
    return await start_meter(inner, *args, **options)


async def post(meter: Meter, path: str, question: object, **request: Any) -> Reply:
    """The answer to this question as JSON, from the holder of the root key."""
    request.setdefault("key", ROOT)
    request.setdefault("headers", JSON)
    request.setdefault("body", [json.dumps(question).encode()])
    return await ask(meter, "POST", path, **request)


async def verify(meter: Meter, key: str, **fields: Any) -> dict[str, Any]:
    """What the meter says of this key."""
    question = {"key": key, "endpoint": "/things/{id}", "method": "GET", **fields}
    reply = await post(meter, "/api/v1/keys/verify", question)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    verdict: dict[str, Any] = reply.json()
    if verdict["call_id"] is not None:
        assert reply.request_id == verdict["call_id"]
    return verdict


async def report(meter: Meter, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What became of each of these calls."""
    reply = await post(meter, "/api/v1/calls", {"calls": calls})
    assert reply.status == 200, reply.body
    answer = reply.json()
    outcomes: list[dict[str, Any]] = answer["calls"]
    recorded = sum(outcome["recorded"] for outcome in outcomes)
    assert (answer["recorded"], answer["failed"]) == (recorded, len(calls) - recorded)
    return outcomes


def finished(meter: Meter, key_id: str, *, age_ms: int = 0, **fields: Any) -> dict[str, Any]:
    """A call that the service has finished, with an id of its own, so many ms ago."""
    return {
        "id": new_call_id(meter.clock.now_ms() - age_ms),
        "key_id": key_id,
        "endpoint": "/things/{id}",
        "method": "GET",
        "status": 200,
        "latency_ms": 12,
        **fields,
    }


RECORDED = {"recorded": True, "code": None, "detail": None}
