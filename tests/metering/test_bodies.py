"""What a call's row keeps of its bodies, through the whole meter."""

import json

import pytest

from app.metering.answer import HELD_BYTES
from app.screening.api import api
from tests.metering.apps import App, answering, body, start
from tests.metering.client import ask

JSON = [("content-type", "application/json")]
SUBJECT = "Nicolas Maduro"


async def kept(tables, reply):
    [row] = [row for row in await tables.calls() if row["id"] == reply.request_id]
    return row["requestBody"], row["responseBody"]


async def test_bodies_are_kept_without_secrets(start_meter, live_key, tables):
    meter = await start_meter(answering(payload={"ok": [1]}), record_bodies="redacted")
    sent = json.dumps({"name": "x", "password": "hunter2", "note": live_key.secret}).encode()
    reply = await ask(meter, key=live_key.secret, headers=JSON, body=[sent])
    request, answer = await kept(tables, reply)
    assert request["name"] == "x"
    assert "hunter2" not in json.dumps(request)
    assert live_key.secret not in json.dumps(request)
    assert answer == {"ok": [1]}


async def test_screening_keeps_nothing_of_the_person_screened(start_meter, live_key, tables):
    meter = await start_meter(api, record_bodies="redacted")
    sent = {"name": SUBJECT, "birth_date": "1962-11-23", "identifiers": ["A1234567"]}
    body_sent = json.dumps(sent).encode()
    reply = await ask(meter, key=live_key.secret, headers=JSON, body=[body_sent])
    assert reply.json()["results"], "the control: this person is on the sample list"
    stored = json.dumps(await kept(tables, reply))
    found = [word for word in ("Maduro", "MADURO", "1962", "A1234567") if word in stored]
    assert not found
    assert "potential_match" in stored


@pytest.mark.parametrize("options", [{"record_bodies": "off"}, {}])
async def test_nothing_is_kept_where_the_operator_wants_nothing(
    start_meter, live_key, tables, options
):
    meter = await start_meter(answering(payload={"ok": True}), **options)
    reply = await ask(meter, key=live_key.secret, headers=JSON)
    assert await kept(tables, reply) == (None, None)


async def test_streamed_answer_keeps_the_request_only(start_meter, live_key, tables):
    async def serve(scope, receive, send):
        await start(send, content_type="application/json")
        await body(send, b'{"part": ', more=True)
        await body(send, b"1}")

    meter = await start_meter(App(serve), record_bodies="redacted")
    reply = await ask(meter, key=live_key.secret, headers=JSON, body=[b'{"a": 1}'])
    assert reply.json() == {"part": 1}
    assert await kept(tables, reply) == ({"a": 1}, None)


async def test_answer_that_is_too_large_to_hold_is_not_kept(start_meter, live_key, tables):
    meter = await start_meter(answering(payload="x" * HELD_BYTES), record_bodies="redacted")
    reply = await ask(meter, key=live_key.secret, headers=JSON, body=[b'{"a": 1}'])
    assert await kept(tables, reply) == ({"a": 1}, None)


@pytest.mark.parametrize(
    "raw", [b'{"a": "\\u0000"}', b"\xff\xfe{", b'{"a": 1e400000}', b'"\\ud800"']
)
async def test_body_that_jsonb_refuses_fails_no_call(start_meter, live_key, tables, raw):
    meter = await start_meter(answering(payload={}), record_bodies="full")
    reply = await ask(meter, key=live_key.secret, headers=JSON, body=[raw])
    assert reply.status == 200
    assert (await kept(tables, reply))[0] is not None
