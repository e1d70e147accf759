"""What Stripe posts: signed and lately, or 400 and nothing written."""

import json
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from app.api.bodies import MOST_BYTES
from app.core.settings import Settings
from app.models import StripeEvent
from app.sandbox.delivery import signature

SECRET = "whsec_of_this_test"
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "customer.subscription.updated",
    "created": 1_795_600_000,
    "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1"}},
}


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Settings(
        var_dir=tmp_path,
        host="127.0.0.1",
        public_url="http://localhost:8000",
        stripe_secret_key="sk_test_x",
        stripe_webhook_secret=SECRET,
    )


@pytest.fixture
def post(visitor: httpx.AsyncClient) -> Any:
    async def send(
        event: Any = None, *, secret: str = SECRET, age: float = 0, **options: Any
    ) -> httpx.Response:
        body = json.dumps(EVENT if event is None else event) if "body" not in options else ""
        content = options.pop("body", body.encode())
        at = int(time.time() - age)
        signed = signature(content.decode(errors="replace"), secret, at)
        headers = {"stripe-signature": signed, "accept": "*/*", **options.pop("headers", {})}
        return await visitor.post("/webhooks/stripe", content=content, headers=headers)

    return send


@pytest.fixture
def stored(unit_of_work: Any) -> Any:
    async def find() -> Any:
        async with unit_of_work() as session:
            return (await session.exec(select(StripeEvent))).all()

    return find


@pytest.fixture
def jobs(unit_of_work: Any) -> Any:
    async def find() -> Any:
        async with unit_of_work() as session:
            statement = text("SELECT task_name, args FROM latchkey.procrastinate_jobs")
            return [tuple(row) for row in await (await session.connection()).execute(statement)]

    return find


async def test_signed_event_is_stored_with_its_payload_and_to_be_applied(
    post: Any, stored: Any, jobs: Any
) -> None:
    assert (await post()).status_code == 204
    [event] = await stored()
    assert (event.id, event.type, event.stripe_customer_id) == (
        "evt_1",
        "customer.subscription.updated",
        "cus_1",
    )
    assert (json.loads(event.payload), event.state) == (EVENT, "pending")
    assert await jobs() == [("billing:apply_events", {"customer_id": "cus_1"})]


async def test_event_that_comes_again_changes_nothing(post: Any, stored: Any, jobs: Any) -> None:
    for _ in range(3):
        assert (await post()).status_code == 204
    assert len(await stored()) == 1
    assert len(await jobs()) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"secret": "whsec_another"}, id="signed by another"),
        pytest.param({"age": 301}, id="old"),
        pytest.param({"headers": {"stripe-signature": ""}}, id="no signature"),
        pytest.param({"headers": {"stripe-signature": "t=1,v1=00"}}, id="tampered"),
        pytest.param({"headers": {"stripe-signature": b"t=1,v1=\xe9"}}, id="nonsense"),
        pytest.param({"body": b"not JSON"}, id="no JSON"),
        pytest.param({"body": b"[]"}, id="a list"),
        pytest.param({"body": b"\xff\xfe"}, id="no UTF-8"),
        pytest.param({"body": b"[" * 100_000}, id="deep"),
        pytest.param({"event": {**EVENT, "id": "evt_\x00"}}, id="NUL in the id"),
        pytest.param({"event": {**EVENT, "id": 7}}, id="a number for the id"),
        pytest.param({"event": {**EVENT, "type": None}}, id="no type"),
        pytest.param({"event": {**EVENT, "created": 1e99}}, id="a date beyond all"),
        pytest.param({"event": {**EVENT, "created": float("inf")}}, id="no date"),
        pytest.param({"event": {**EVENT, "data": {}}}, id="no object"),
        pytest.param({"event": {**EVENT, "data": {"object": "sub_1"}}}, id="a text for the object"),
    ],
)
async def test_what_is_no_signed_event_is_refused_and_nothing_written(
    post: Any, stored: Any, options: dict[str, Any]
) -> None:
    answer = await post(**options)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    assert await stored() == []


async def test_body_that_was_changed_on_its_way_is_refused(
    visitor: httpx.AsyncClient, stored: Any
) -> None:
    body = json.dumps(EVENT)
    signed = signature(body, SECRET, int(time.time()))
    answer = await visitor.post(
        "/webhooks/stripe",
        content=body.replace("cus_1", "cus_2").encode(),
        headers={"stripe-signature": signed},
    )
    assert answer.status_code == 400
    assert await stored() == []


async def test_huge_event_is_refused(post: Any, stored: Any) -> None:
    answer = await post({**EVENT, "rest": "x" * MOST_BYTES})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert await stored() == []


@pytest.mark.parametrize(
    ("event", "note"),
    [
        ({**EVENT, "type": "payout.paid"}, "of a type that says nothing of plans"),
        ({**EVENT, "type": "something.of.2030"}, "of a type that says nothing of plans"),
        ({**EVENT, "account": "acct_2"}, "of another account, connected to ours"),
        ({**EVENT, "data": {"object": {"id": "in_1", "object": "invoice"}}}, "of no customer"),
    ],
)
async def test_event_that_is_of_no_use_is_kept_and_ignored(
    post: Any, stored: Any, jobs: Any, event: Any, note: str
) -> None:
    assert (await post(event)).status_code == 204
    [kept] = await stored()
    assert (kept.state, kept.note) == ("ignored", note)
    assert await jobs() == []


async def test_payload_with_an_escaped_nul_is_kept(post: Any, stored: Any) -> None:
    assert (await post({**EVENT, "rest": "\x00"})).status_code == 204
    assert "\\u0000" in (await stored())[0].payload


async def test_nobody_is_asked_for_an_origin(post: Any) -> None:
    assert (await post(headers={"origin": "https://elsewhere.example"})).status_code == 204


async def test_there_is_no_webhook_where_there_is_no_stripe(open_browser: Any) -> None:
    nowhere = Settings(host="0.0.0.0", public_url="http://portal.example")
    browser = await open_browser(nowhere)
    answer = await browser.post("/webhooks/stripe", content=b"{}")
    assert answer.status_code == 404
