"""What the sandbox answers has the fields and JSON types of Stripe's own examples."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.sandbox import API_PREFIX
from tests.sandbox.stage import API_KEY, START, Stage

EXAMPLES = json.loads(Path(__file__).with_name("stripe_examples.json").read_text())["resources"]
NUMBER = (int, float)


def faults(example: Any, ours: Any, where: str = "") -> list[str]:
    """What differs in fields and types; null may stand for anything, and the other way round."""
    if example is None or ours is None:
        return []
    if isinstance(example, dict) and isinstance(ours, dict):
        missing = [f"{where}.{name} is missing" for name in example if name not in ours]
        inner = [
            fault
            for name in (example.keys() & ours.keys()) - {"metadata"}  # its keys are anybody's
            for fault in faults(example[name], ours[name], f"{where}.{name}")
        ]
        return missing + inner
    if isinstance(example, list) and isinstance(ours, list):
        return [fault for one in ours if example for fault in faults(example[0], one, f"{where}[]")]
    is_number = isinstance(example, NUMBER) and isinstance(ours, NUMBER)
    is_same = type(example) is type(ours) or (
        is_number and not (isinstance(example, bool) or isinstance(ours, bool))
    )
    return [] if is_same else [f"{where}: {type(ours).__name__}, not {type(example).__name__}"]


async def raw(stage: Stage, path: str, **data: str) -> Any:
    """What the API answers, as JSON, without the client between."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    method = "POST" if data else "GET"
    url = f"{API_PREFIX}/v1/{path}"
    answer = await stage.pages.request(method, url, data=data or None, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def collect(stage: Stage) -> dict[str, list[Any]]:
    """Objects of every kind, in several states each."""
    sold = await stage.checkout(customer_email="ada@example.com", client_reference_id="u1")
    open_session = await stage.open_checkout(customer=sold.customer)
    trial = await stage.checkout(subscription_data={"trial_period_days": 14})
    portal = await raw(stage, "billing_portal/sessions", customer=sold.customer)
    clock = await raw(stage, "test_helpers/test_clocks", frozen_time=str(START))
    item = (await raw(stage, f"subscriptions/{sold.subscription}"))["items"]["data"][0]
    preview = await raw(
        stage,
        "invoices/create_preview",
        subscription=sold.subscription,
        **{
            "subscription_details[items][0][id]": item["id"],
            "subscription_details[items][0][price]": "price_enterprise_month",
        },
    )
    subscriptions = (await raw(stage, "subscriptions"))["data"]
    invoices = [*(await raw(stage, "invoices"))["data"], preview]
    return {
        "billing_portal.session": [portal],
        "checkout.session": [
            await raw(stage, f"checkout/sessions/{one.id}") for one in (sold, open_session, trial)
        ],
        "customer": (await raw(stage, "customers"))["data"],
        "event": (await raw(stage, "events"))["data"],
        "invoice": invoices,
        "line_item": [line for invoice in invoices for line in invoice["lines"]["data"]],
        "payment_method": (await raw(stage, f"customers/{sold.customer}/payment_methods"))["data"],
        "price": (await raw(stage, "prices"))["data"],
        "product": (await raw(stage, "products"))["data"],
        "subscription": subscriptions,
        "subscription_item": [one for sub in subscriptions for one in sub["items"]["data"]],
        "test_helpers.test_clock": [clock],
    }


async def test_objects_have_the_fields_and_types_of_stripes_examples(stage: Stage) -> None:
    found = await collect(stage)
    assert found.keys() == EXAMPLES.keys()
    assert all(found.values())
    wrong = [
        f"{kind}{fault}"
        for kind, objects in found.items()
        for one in objects
        for fault in faults(EXAMPLES[kind], one)
        if not (kind == "event" and fault.startswith(".data.object"))
    ]
    assert sorted(set(wrong)) == []


async def test_objects_in_events_have_them_too(stage: Stage) -> None:
    await collect(stage)
    events = (await raw(stage, "events?limit=100"))["data"]
    objects = [event["data"]["object"] for event in events]
    wrong = [
        f"{one['object']}{fault}"
        for one in objects
        for fault in faults(EXAMPLES[one["object"]], one)
    ]
    assert sorted(set(wrong)) == []
    assert len({one["object"] for one in objects}) >= 6


@pytest.mark.parametrize(
    ("example", "ours"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": "1"}),
        ({"a": [{"b": 1}]}, {"a": [{}]}),
        ({"a": 1}, {"a": True}),
    ],
)
def test_comparison_notices(example: Any, ours: Any) -> None:
    assert len(faults(example, ours)) == 1
