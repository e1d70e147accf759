"""Checkout sessions."""

from app.sandbox.acts import checkout
from app.sandbox.acts.customers import get_customer
from app.sandbox.acts.subscriptions import product_name
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import InvalidRequest
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_of
from app.sandbox.routes.subscriptions import read_trial_settings
from app.sandbox.shapes.hosted import checkout_session

_DAY = 86_400
_SHORTEST_SECONDS = 30 * 60
_SHORTEST_TRIAL_SECONDS = 48 * 3_600


async def create(books: Books, params: Params) -> Json:
    """POST /v1/checkout/sessions, in subscription mode with one price."""
    if params.need("mode") != "subscription":
        raise InvalidRequest("The sandbox checks out subscriptions only.", param="mode")
    price, quantity = await _line_item(books, params)
    customer = None
    if customer_id := params.text("customer"):
        customer = await get_customer(books, customer_id)
    made = checkout_session(books.now, expires_at=_expires_at(books, params))
    _take(made, params)
    made["customer"] = customer.id if customer else None
    made["currency"] = price["currency"]
    made["amount_subtotal"] = made["amount_total"] = price["unit_amount"] * quantity
    made["url"] = f"{books.public_url}/sandbox/checkout/{made['id']}"
    data = _subscription_data(books, params)
    if data["trial_end"] or data["trial_period_days"]:
        made["amount_subtotal"] = made["amount_total"] = 0
    notes = {
        "price": price,
        "product_name": await product_name(books, price),
        "quantity": quantity,
        "subscription_data": data,
    }
    session = books.add(
        "checkout.session",
        made,
        parent=customer.id if customer else None,
        due_at=made["expires_at"],
        notes=notes,
    )
    return session.object


async def retrieve(books: Books, params: Params, session_id: str) -> Json:
    """GET /v1/checkout/sessions/{id}."""
    return (await get_session(books, session_id)).object


async def list_(books: Books, params: Params) -> Json:
    """GET /v1/checkout/sessions."""
    filters = {
        "object->>'customer' = :value": params.text("customer"),
        "object->>'status' = :value": params.text("status"),
        "object->>'subscription' = :value": params.text("subscription"),
    }
    return await page_of(books, "checkout.session", params, "/v1/checkout/sessions", filters)


async def expire(books: Books, params: Params, session_id: str) -> Json:
    """POST /v1/checkout/sessions/{id}/expire."""
    session = await get_session(books, session_id)
    await checkout.expire(books, session)
    return session.object


async def list_line_items(books: Books, params: Params, session_id: str) -> Json:
    """GET /v1/checkout/sessions/{id}/line_items."""
    session = await get_session(books, session_id)
    url = f"/v1/checkout/sessions/{session_id}/line_items"
    params.accept("limit", "starting_after")
    return {
        "object": "list",
        "data": checkout.line_items(session),
        "has_more": False,
        "url": url,
    }


async def get_session(books: Books, session_id: str) -> Document:
    """The session, by its customer's clock. Raises ResourceMissing."""
    session = await books.get("checkout.session", session_id, param="session")
    if session["customer"] and session["status"] == "open":
        await get_customer(books, session["customer"])
    return session


async def _line_item(books: Books, params: Params) -> tuple[Json, int]:
    rows = params.rows("line_items")
    if len(rows) != 1:
        raise InvalidRequest("The sandbox checks out exactly one price.", param="line_items")
    price = await books.get("price", rows[0].need("price"), param="line_items[0][price]")
    quantity = rows[0].integer("quantity")
    rows[0].accept("adjustable_quantity", "tax_rates")
    rows[0].refuse_unknown()
    if not price["active"]:
        raise InvalidRequest(
            "The price specified is inactive. This field only accepts active prices.",
            param="line_items[0][price]",
        )
    return price.object, 1 if quantity is None else quantity


def _take(made: Json, params: Params) -> None:
    params.need("success_url")
    made["success_url"], made["cancel_url"] = params.url("success_url"), params.url("cancel_url")
    for name in ("client_reference_id", "customer_email", "locale"):
        made[name] = params.text(name) or None
    if params.text("customer") and made["customer_email"]:
        raise InvalidRequest(
            "You may only specify one of these parameters: customer, customer_email.",
            param="customer_email",
        )
    made["metadata"] = params.metadata()
    made["allow_promotion_codes"] = params.boolean("allow_promotion_codes")
    params.accept(
        "automatic_tax",
        "billing_address_collection",
        "consent_collection",
        "currency",
        "custom_fields",
        "custom_text",
        "customer_update",
        "payment_method_collection",
        "payment_method_types",
        "phone_number_collection",
        "saved_payment_method_options",
        "submit_type",
        "tax_id_collection",
        "ui_mode",
    )


def _expires_at(books: Books, params: Params) -> int:
    wanted = params.integer("expires_at")
    if wanted is None:
        return books.now + _DAY
    if not books.now + _SHORTEST_SECONDS <= wanted <= books.now + _DAY:
        raise InvalidRequest(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
            param="expires_at",
        )
    return wanted


def _subscription_data(books: Books, params: Params) -> Json:
    data = params.inner("subscription_data")
    trial_end, trial_days = data.integer("trial_end"), data.integer("trial_period_days")
    if trial_end is not None and trial_end < books.now + _SHORTEST_TRIAL_SECONDS:
        raise InvalidRequest(
            "The `trial_end` date has to be at least 2 days in the future.",
            param="subscription_data[trial_end]",
        )
    if trial_end is not None and trial_days is not None:
        raise InvalidRequest(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            param="subscription_data",
        )
    taken = {
        "trial_end": trial_end,
        "trial_period_days": trial_days,
        "metadata": data.metadata(),
        "description": data.text("description") or None,
        "missing_payment_method": read_trial_settings(data),
    }
    data.accept("billing_mode", "invoice_settings", "proration_behavior", "default_tax_rates")
    data.refuse_unknown()
    return taken
