"""The API's manners: keys, errors, idempotency, pages, search and expansion."""

import asyncio
from typing import Any

import pytest
import stripe

from app.sandbox import API_PREFIX
from tests.sandbox.stage import API_KEY, DAY, HOUR, START, Stage, make_client


async def ask(stage: Stage, method: str, path: str, key: str = "", **sent: Any) -> Any:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    if key:
        headers["Idempotency-Key"] = key
    return await stage.pages.request(method, f"{API_PREFIX}/v1/{path}", headers=headers, **sent)


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer x", f"Basic {API_KEY}", f"Bearer {API_KEY}x"]
)
async def test_without_the_sandboxs_key_nothing_is_answered(stage: Stage, header: Any) -> None:
    headers = {"Authorization": header} if header else {}
    answer = await stage.pages.get(f"{API_PREFIX}/v1/prices", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert API_KEY not in answer.text


async def test_client_takes_a_wrong_key_for_one(stage: Stage) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await make_client(stage.url, "sk_test_wrong").v1.prices.list_async()


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "code", "param"),
    [
        ("GET", "customers/cus_none", None, 404, "resource_missing", "id"),
        ("GET", "subscriptions/price_standard_month", None, 404, "resource_missing", "id"),
        ("GET", "prices/none", None, 404, "resource_missing", "price"),
        ("GET", "charges", None, 404, None, None),
        ("PUT", "customers", None, 405, None, None),
        ("POST", "customers", {"emial": "x"}, 400, "parameter_unknown", "emial"),
        ("POST", "checkout/sessions", {}, 400, "parameter_missing", "mode"),
        ("POST", "checkout/sessions", {"mode": "payment"}, 400, None, "mode"),
        ("POST", "billing_portal/sessions", {"customer": "cus_x"}, 404, "resource_missing",
         "customer"),
        ("GET", "events?limit=x", None, 400, "parameter_invalid_integer", "limit"),
        ("GET", "events?limit=101", None, 400, None, "limit"),
        ("GET", "events?limit=0", None, 400, None, "limit"),
        ("GET", "events?starting_after=evt_x", None, 404, "resource_missing", "starting_after"),
        ("GET", "subscriptions?status=asleep", None, 400, None, "status"),
        ("GET", "prices?expand[]=data.nothing", None, 400, "property_not_expandable", "expand"),
        ("GET", "customers/search?query=age>3", None, 400, None, "query"),
    ],
)  # fmt: skip
async def test_refusal_says_what_is_wrong_in_stripes_shape(
    stage: Stage, method: str, path: str, data: Any, status: int, code: Any, param: Any
) -> None:
    await stage.subscribed()
    answer = await ask(stage, method, path, data=data)
    assert answer.status_code == status
    if status != 405:
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert (error.get("code"), error.get("param")) == (code, param)
        assert error["message"]
        assert answer.headers["request-id"].startswith("req_")


async def test_refused_request_leaves_nothing_behind(stage: Stage) -> None:
    await ask(stage, "POST", "customers", data={"email": "a@b.example", "unknown": "1"})
    assert (await stage.v1.customers.list_async()).data == []
    assert await stage.told() == []


async def test_body_without_end_is_refused(stage: Stage) -> None:
    answer = await ask(stage, "POST", "customers", content=b"x" * 70_000)
    assert answer.status_code == 413


async def test_same_key_and_body_is_done_once_and_answered_the_same(stage: Stage) -> None:
    data = {"email": "ada@example.com"}
    first = await ask(stage, "POST", "customers", "key-1", data=data)
    again = await ask(stage, "POST", "customers", "key-1", data=data)
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await stage.v1.customers.list_async()).data) == 1
    assert (await stage.told())[0]["request"]["idempotency_key"] == "key-1"


async def test_same_key_with_another_body_or_path_is_an_error(stage: Stage) -> None:
    first = await ask(stage, "POST", "customers", "key-1", data={"email": "a@b.example"})
    for path in ("customers", f"customers/{first.json()['id']}"):
        answer = await ask(stage, "POST", path, "key-1", data={"email": "c@d.example"})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "idempotency_error"


async def test_same_key_at_the_same_time_is_done_once(stage: Stage) -> None:
    data = {"email": "ada@example.com"}
    answers = await asyncio.gather(
        *(ask(stage, "POST", "customers", "key-1", data=data) for _ in range(8))
    )
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await stage.v1.customers.list_async()).data) == 1


async def test_declined_payment_is_answered_the_same_by_its_key(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({})
    made = await stage.v1.subscriptions.create_async(
        {"customer": customer.id, "items": [{"price": "price_standard_month"}]}
    )
    path = f"invoices/{made.latest_invoice}/pay"
    answers = [await ask(stage, "POST", path, "key-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    assert answers[0].json() == answers[1].json()
    invoice = await stage.v1.invoices.retrieve_async(made.latest_invoice)
    assert invoice.attempt_count == 2  # the first at once, the second by hand


async def test_refused_request_does_not_use_up_its_key(stage: Stage) -> None:
    wrong = await ask(stage, "POST", "customers", "key-1", data={"unknown": "1"})
    assert wrong.status_code == 400
    right = await ask(stage, "POST", "customers", "key-1", data={"email": "a@b.example"})
    assert right.status_code == 200


async def test_key_is_forgotten_after_a_day(stage: Stage) -> None:
    first = await ask(stage, "POST", "customers", "key-1", data={})
    await stage.pass_time(24 * HOUR + 1)
    second = await ask(stage, "POST", "customers", "key-1", data={"email": "a@b.example"})
    assert second.json()["id"] != first.json()["id"]


async def test_lists_page_in_both_directions_newest_first(stage: Stage) -> None:
    made = [(await stage.v1.customers.create_async({})).id for _ in range(5)]
    newest_first = list(reversed(made))
    first = await stage.v1.customers.list_async({"limit": 2})
    assert ([one.id for one in first.data], first.has_more) == (newest_first[:2], True)
    rest = await stage.v1.customers.list_async({"starting_after": newest_first[1], "limit": 3})
    assert ([one.id for one in rest.data], rest.has_more) == (newest_first[2:], False)
    back = await stage.v1.customers.list_async({"ending_before": newest_first[3], "limit": 2})
    assert ([one.id for one in back.data], back.has_more) == (newest_first[1:3], True)
    everyone = await stage.v1.customers.list_async({"limit": 2})
    assert [one.id async for one in everyone.auto_paging_iter()] == newest_first


async def test_customers_are_found_by_address_and_metadata(stage: Stage) -> None:
    ada = await stage.v1.customers.create_async(
        {"email": "ada@example.com", "metadata": {"latchkey_user": "u1", "tricky": 'a"b'}}
    )
    await stage.v1.customers.create_async({"email": "bob@example.com"})

    async def search(query: str) -> list[str]:
        return [one.id for one in (await stage.v1.customers.search_async({"query": query})).data]

    assert await search("metadata['latchkey_user']:'u1'") == [ada.id]
    assert await search('email:"ada@example.com" AND metadata["latchkey_user"]:"u1"') == [ada.id]
    assert await search('metadata["tricky"]:"a\\"b"') == [ada.id]
    assert await search("email:'ada@example.com' AND metadata['latchkey_user']:'u2'") == []
    listed = await stage.v1.customers.list_async({"email": "ada@example.com"})
    assert [one.id for one in listed.data] == [ada.id]


async def test_customer_changes_and_goes(stage: Stage) -> None:
    subscription = await stage.subscribed()
    changed = await stage.v1.customers.update_async(
        subscription.customer, {"name": "Ada", "metadata": {"a": "1"}, "address": {"city": "Paris"}}
    )
    assert (changed.name, changed.address.city) == ("Ada", "Paris")
    assert (await stage.told())[-1]["data"]["previous_attributes"] == {
        "name": None,
        "metadata": {"a": None},
        "address": None,
    }
    gone = await stage.v1.customers.delete_async(subscription.customer)
    assert gone.deleted is True
    ended = await stage.v1.subscriptions.retrieve_async(subscription.id)
    assert ended.status == "canceled"
    assert (await stage.v1.customers.retrieve_async(subscription.customer)).deleted is True
    assert (await stage.v1.customers.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.customers.update_async(subscription.customer, {"name": "x"})


async def test_default_card_must_be_the_customers(stage: Stage) -> None:
    ada, bob = [await stage.v1.customers.create_async({}) for _ in range(2)]
    card = await stage.v1.payment_methods.attach_async("pm_card_visa", {"customer": ada.id})
    settings: Any = {"invoice_settings": {"default_payment_method": card.id}}
    assert (
        await stage.v1.customers.update_async(ada.id, settings)
    ).invoice_settings.default_payment_method == card.id
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.customers.update_async(bob.id, settings)


async def test_declined_card_cannot_be_attached_and_unknown_ones_are_named(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({})
    with pytest.raises(stripe.CardError) as declined:
        await stage.v1.payment_methods.attach_async(
            "pm_card_chargeDeclined", {"customer": customer.id}
        )
    assert declined.value.code == "card_declined"
    with pytest.raises(stripe.InvalidRequestError, match="pm_card_visa"):
        await stage.v1.payment_methods.create_async(
            {"type": "card", "card": {"number": "4111111111111111"}}
        )


async def test_expansion_fills_objects_in_along_the_path(stage: Stage) -> None:
    subscription = await stage.subscribed()
    listed = await stage.v1.subscriptions.list_async(
        {
            "customer": subscription.customer,
            "expand": ["data.latest_invoice", "data.items.data.price.product"],
        }
    )
    assert listed.data[0].latest_invoice.status == "paid"
    assert listed.data[0]["items"].data[0].price.product.name == "Standard"


async def test_subscriptions_are_listed_by_status_and_customer(stage: Stage) -> None:
    first = await stage.subscribed()
    second = await stage.subscribed()
    await stage.v1.subscriptions.cancel_async(first.id)

    async def ids(**filters: Any) -> set[str]:
        return {one.id for one in (await stage.v1.subscriptions.list_async(filters)).data}

    assert await ids() == {second.id}
    assert await ids(status="all") == {first.id, second.id}
    assert await ids(status="canceled") == await ids(status="ended") == {first.id}
    assert await ids(customer=first.customer, status="all") == {first.id}
    assert await ids(price="price_enterprise_month", status="all") == set()


async def test_events_are_listed_by_type(stage: Stage) -> None:
    await stage.subscribed()
    listed = await stage.v1.events.list_async({"type": "invoice.paid"})
    assert [event.type for event in listed.data] == ["invoice.paid"]
    several = await stage.v1.events.list_async({"types": ["invoice.paid", "customer.created"]})
    assert [event.type for event in several.data] == ["invoice.paid", "customer.created"]
    event = await stage.v1.events.retrieve_async(listed.data[0].id)
    assert event.data.object.amount_paid == 4_900


async def test_checkout_expires_by_itself_and_by_hand(stage: Stage) -> None:
    left, closed = [await stage.open_checkout() for _ in range(2)]
    assert (await stage.v1.checkout.sessions.expire_async(closed.id)).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.checkout.sessions.expire_async(closed.id)
    await stage.pass_time(DAY)
    assert (await stage.v1.checkout.sessions.retrieve_async(left.id)).status == "expired"
    assert (await stage.told_types()) == ["checkout.session.expired"] * 2


@pytest.mark.parametrize(
    "params",
    [
        {"subscription_data": {"trial_end": START + DAY}},
        {"subscription_data": {"trial_end": START + 3 * DAY, "trial_period_days": 3}},
        {"line_items": [{"price": "price_none"}]},
        {"line_items": []},
        {"expires_at": START + 60},
        {"customer": "cus_none"},
        {"success_url": "javascript:alert(1)"},
        {"cancel_url": "/billing"},
        {"subscription_data": {"nonsense": "1"}},
    ],
)
async def test_checkout_that_stripe_would_refuse_is_refused(stage: Stage, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await stage.open_checkout(**params)


async def test_line_items_of_a_checkout_are_listed(stage: Stage) -> None:
    session = await stage.open_checkout()
    listed = await stage.v1.checkout.sessions.line_items.list_async(session.id)
    assert [(one.amount_total, one.price.id) for one in listed.data] == [
        (4_900, "price_standard_month")
    ]


async def test_open_invoice_is_voided_or_given_up(stage: Stage) -> None:
    customer = await stage.v1.customers.create_async({})
    owed = [
        (
            await stage.v1.subscriptions.create_async(
                {"customer": customer.id, "items": [{"price": "price_standard_month"}]}
            )
        ).latest_invoice
        for _ in range(2)
    ]
    assert (await stage.v1.invoices.void_invoice_async(owed[0])).status == "void"
    assert (await stage.v1.invoices.mark_uncollectible_async(owed[1])).status == "uncollectible"
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.invoices.pay_async(owed[0])
    with pytest.raises(stripe.InvalidRequestError):
        await stage.v1.invoices.finalize_invoice_async(owed[0])
