"""Subscriptions: made, read, changed, cancelled."""

from app.sandbox.acts import changes, endings, invoices, subscriptions
from app.sandbox.acts.changes import BEHAVIORS, Change
from app.sandbox.acts.customers import find_default_card, find_or_make_card, get_customer
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import CardError, InvalidRequest
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_of
from app.sandbox.shapes.subscription import Wish

STATUSES = ("active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired",
            "trialing", "paused")  # fmt: skip


async def create(books: Books, params: Params) -> Json:
    """POST /v1/subscriptions, with one price."""
    customer = await get_customer(books, params.need("customer"))
    rows = params.rows("items")
    if len(rows) != 1:
        raise InvalidRequest("The sandbox's subscriptions have exactly one item.", param="items")
    price = await books.get("price", rows[0].need("price"), param="items[0][price]")
    wish = Wish(
        price=price.object,
        quantity=rows[0].integer("quantity") or 1,
        trial_end=_new_trial_end(books, params),
        metadata=params.metadata(),
        default_payment_method=params.text("default_payment_method") or None,
        missing_payment_method=read_trial_settings(params),
    )
    card = None
    if wish.default_payment_method:
        card = await find_or_make_card(books, wish.default_payment_method)
    _require_good_card(params, card or await find_default_card(books, customer, None))
    params.choice("collection_method", ["charge_automatically"], "charge_automatically")
    params.accept("off_session", "payment_settings")
    subscription, _ = await subscriptions.begin(books, customer, wish, card=card)
    return subscription.object


async def retrieve(books: Books, params: Params, subscription_id: str) -> Json:
    """GET /v1/subscriptions/{id}."""
    return (await books.get("subscription", subscription_id)).object


async def list_(books: Books, params: Params) -> Json:
    """GET /v1/subscriptions: those that have not ended, unless `status` says otherwise."""
    status = params.choice("status", [*STATUSES, "all", "ended", "live"], "live")
    filters = {
        "parent = :value": params.text("customer"),
        "object->'items'->'data'->0->'price'->>'id' = :value": params.text("price"),
        "object->>'test_clock' = :value": params.text("test_clock"),
    }
    if status in STATUSES:
        filters["object->>'status' = :value"] = status
    elif status == "live":
        filters["object->>'status' <> :value"] = "canceled"
    elif status == "ended":
        filters["object->>'status' IN ('canceled', 'incomplete_expired') AND :value <> ''"] = "x"
    return await page_of(books, "subscription", params, "/v1/subscriptions", filters)


async def update(books: Books, params: Params, subscription_id: str) -> Json:
    """POST /v1/subscriptions/{id}."""
    subscription = await subscriptions.get_subscription(books, subscription_id)
    _require_running(subscription)
    await _take_plain(books, subscription, params)
    _take_cancellation(books, subscription, params)
    await _take_trial(books, subscription, params)
    change = await read_change(books, subscription, params)
    if change is not None:
        outcome = await changes.weigh(books, subscription, change)
        customer = await get_customer(books, subscription["customer"])
        if outcome.due(customer["balance"], subscription.notes.get("pending", [])) > 0:
            card = await find_default_card(books, customer, subscription)
            _require_good_card(params, card)
        await changes.apply(books, subscription, change)
    params.choice(
        "payment_behavior", ["allow_incomplete", "error_if_incomplete"], "allow_incomplete"
    )
    endings.schedule(subscription)
    tell(books, "customer.subscription.updated", subscription)
    return subscription.object


async def cancel(books: Books, params: Params, subscription_id: str) -> Json:
    """DELETE /v1/subscriptions/{id}: it ends now."""
    subscription = await subscriptions.get_subscription(books, subscription_id)
    _require_running(subscription)
    _take_details(subscription, params)
    for name in ("invoice_now", "prorate"):
        if params.boolean(name):
            raise InvalidRequest("The sandbox cancels without a last invoice.", param=name)
    await endings.end(books, subscription, reason="cancellation_requested")
    return subscription.object


async def read_change(books: Books, subscription: Document, params: Params) -> Change | None:
    """The change of price or quantity that the parameters ask for. Raises InvalidRequest."""
    behavior = params.choice("proration_behavior", BEHAVIORS, "create_prorations")
    at = params.integer("proration_date")
    rows = params.rows("items")
    if not rows:
        return None
    item = subscription["items"]["data"][0]
    if len(rows) != 1 or rows[0].text("id") != item["id"]:
        raise InvalidRequest(
            f"The sandbox's subscriptions have exactly one item: give its id, {item['id']}.",
            param="items[0][id]",
        )
    wanted = rows[0].text("price")
    price = item["price"]
    if wanted:
        price = (await books.get("price", wanted, param="items[0][price]")).object
    quantity = rows[0].integer("quantity") or item["quantity"]
    rows[0].accept("metadata")
    rows[0].refuse_unknown()
    return Change(price, quantity, behavior, books.now if at is None else at)


def read_trial_settings(params: Params, before: str = "create_invoice") -> str:
    """What is to happen when a trial ends and there is no card. Raises InvalidRequest."""
    ends = params.inner("trial_settings").inner("end_behavior")
    return ends.choice("missing_payment_method", ["create_invoice", "cancel"], before)


def _new_trial_end(books: Books, params: Params) -> int | None:
    days = params.integer("trial_period_days")
    if days:
        return books.now + days * 86_400
    return params.integer("trial_end")


def _require_good_card(params: Params, card: Document | None) -> None:
    """With `error_if_incomplete`, nothing changes when the card would be declined."""
    wanted = params.choice(
        "payment_behavior", ["allow_incomplete", "error_if_incomplete"], "allow_incomplete"
    )
    if wanted == "error_if_incomplete" and (card is None or not invoices.is_good(card)):
        error = CardError()
        error.keeps_changes = False
        raise error


def _require_running(subscription: Document) -> None:
    if subscription["status"] in endings.ENDED:
        raise InvalidRequest(
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="subscription_canceled",
        )


async def _take_plain(books: Books, subscription: Document, params: Params) -> None:
    subscription["metadata"] = params.metadata(subscription["metadata"])
    if (words := params.text("description")) is not None:
        subscription["description"] = words or None
    if (card_id := params.text("default_payment_method")) is not None:
        if card_id:
            await books.get("payment_method", card_id, param="default_payment_method")
        subscription["default_payment_method"] = card_id or None
    params.choice("billing_cycle_anchor", ["unchanged"], "unchanged")
    params.choice("collection_method", ["charge_automatically"], "charge_automatically")
    params.accept("off_session", "payment_settings")


def _take_cancellation(books: Books, subscription: Document, params: Params) -> None:
    wish = params.boolean("cancel_at_period_end")
    at = params.text("cancel_at")
    if wish is not None:
        subscriptions.end_with_period(books, subscription, is_ending=wish)
    elif at is not None:
        subscription["cancel_at_period_end"] = False
        subscriptions.end_at(books, subscription, params.integer("cancel_at"))
    _take_details(subscription, params)


def _take_details(subscription: Document, params: Params) -> None:
    details = params.inner("cancellation_details")
    for name in ("comment", "feedback"):
        if (words := details.text(name)) is not None:
            subscription["cancellation_details"][name] = words or None
    details.refuse_unknown()


async def _take_trial(books: Books, subscription: Document, params: Params) -> None:
    ending = subscription["trial_settings"]["end_behavior"]
    ending["missing_payment_method"] = read_trial_settings(params, ending["missing_payment_method"])
    wanted = params.text("trial_end")
    if wanted == "now":
        if subscription["status"] == "trialing":
            await changes.end_trial(books, subscription)
    elif wanted:
        changes.set_trial(books, subscription, params.integer("trial_end") or 0)
