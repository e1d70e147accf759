"""Customers, their cards, and the way into the portal."""

import re
from typing import Any

from app.sandbox.acts import customers, endings
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import InvalidRequest
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_limit, page_of
from app.sandbox.shapes import customer as shapes
from app.sandbox.shapes import hosted

_TEXTS = ("email", "name", "phone", "description")
_CLAUSE = re.compile(
    r"""\s*(?:(?P<field>email|name|phone)|metadata\[(?P<mark>["'])(?P<key>[^"']*)(?P=mark)\])"""
    r"""\s*:\s*(?P<quote>["'])(?P<value>.*?)(?<!\\)(?P=quote)\s*""",
    re.DOTALL,
)


async def create(books: Books, params: Params) -> Json:
    """POST /v1/customers."""
    clock = params.text("test_clock") or ""
    await books.use_clock(clock)
    customer = books.add("customer", shapes.customer(books.now, test_clock=clock or None))
    wanted = params.text("payment_method")
    _take(customer, params)
    if wanted:
        card = await customers.find_or_make_card(books, wanted)
        customers.attach(books, card, customer)
    await _take_default_card(books, customer, params)
    tell(books, "customer.created", customer)
    return customer.object


async def retrieve(books: Books, params: Params, customer_id: str) -> Json:
    """GET /v1/customers/{id}; a deleted one says so."""
    found = await books.get("customer", customer_id)
    return found.object


async def update(books: Books, params: Params, customer_id: str) -> Json:
    """POST /v1/customers/{id}."""
    customer = await customers.get_customer(books, customer_id, param="id")
    _take(customer, params)
    await _take_default_card(books, customer, params)
    tell(books, "customer.updated", customer)
    return customer.object


async def delete(books: Books, params: Params, customer_id: str) -> Json:
    """DELETE /v1/customers/{id}: the subscriptions end with it."""
    customer = await customers.get_customer(books, customer_id, param="id")
    for subscription in await books.list_all("subscription", customer.id):
        if subscription["status"] not in endings.ENDED:
            await endings.end(books, subscription, reason="cancellation_requested")
    tell(books, "customer.deleted", customer)
    customer.object = {"id": customer.id, "object": "customer", "deleted": True}
    return customer.object


async def list_(books: Books, params: Params) -> Json:
    """GET /v1/customers, also by `email`."""
    filters = {
        "object->>'email' = :value": params.text("email"),
        "object->>'test_clock' = :value": params.text("test_clock"),
        "NOT object ? :value": "deleted",
    }
    return await page_of(books, "customer", params, "/v1/customers", filters)


async def search(books: Books, params: Params) -> Json:
    """GET /v1/customers/search, by email, name, phone and metadata, joined by AND."""
    wanted = _parse_query(params.need("query"))
    limit = page_limit(params)
    params.accept("page")
    found = [
        document.object
        for document in reversed(await books.list_all("customer"))
        if "deleted" not in document.object and all(_fits(document.object, *one) for one in wanted)
    ]
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": len(found) > limit,
        "next_page": None,
        "url": "/v1/customers/search",
    }


async def create_payment_method(books: Books, params: Params) -> Json:
    """POST /v1/payment_methods, for a test card by number or token."""
    params.choice("type", ["card"], "card")
    params.accept("billing_details", "metadata", "allow_redisplay")
    card = params.inner("card")
    card.accept("exp_month", "exp_year", "cvc")
    token = card.text("number") or card.need("token")
    return (await customers.make_card(books, token)).object


async def retrieve_payment_method(books: Books, params: Params, card_id: str) -> Json:
    """GET /v1/payment_methods/{id}."""
    return (await books.get("payment_method", card_id)).object


async def attach_payment_method(books: Books, params: Params, card_id: str) -> Json:
    """POST /v1/payment_methods/{id}/attach."""
    customer = await customers.get_customer(books, params.need("customer"))
    card = await customers.find_or_make_card(books, card_id)
    customers.attach(books, card, customer)
    return card.object


async def detach_payment_method(books: Books, params: Params, card_id: str) -> Json:
    """POST /v1/payment_methods/{id}/detach: nobody is charged on it any more."""
    card = await books.get("payment_method", card_id)
    if not card["customer"]:
        raise InvalidRequest("The payment method you provided is not attached to a customer.")
    customer = await customers.get_customer(books, card["customer"])
    if customer["invoice_settings"]["default_payment_method"] == card.id:
        customers.set_default_card(books, customer, None)
    for subscription in await books.list_all("subscription", customer.id):
        if subscription["default_payment_method"] == card.id:
            subscription["default_payment_method"] = None
            tell(books, "customer.subscription.updated", subscription)
    card["customer"] = None
    tell(books, "payment_method.detached", card)
    return card.object


async def list_payment_methods(
    books: Books, params: Params, customer_id: str | None = None
) -> Json:
    """GET /v1/payment_methods?customer=… and /v1/customers/{id}/payment_methods."""
    params.choice("type", ["card"], "card")
    owner = customer_id or params.need("customer")
    await customers.get_customer(books, owner)
    url = f"/v1/customers/{owner}/payment_methods" if customer_id else "/v1/payment_methods"
    filters = {"object->>'customer' = :value": owner}
    return await page_of(books, "payment_method", params, url, filters)


async def create_portal_session(books: Books, params: Params) -> Json:
    """POST /v1/billing_portal/sessions."""
    customer = await customers.get_customer(books, params.need("customer"))
    params.accept("configuration", "locale", "on_behalf_of", "flow_data")
    made = hosted.portal_session(
        books.now, customer_id=customer.id, return_url=params.url("return_url")
    )
    made["url"] = f"{books.public_url}/sandbox/portal/{made['id']}"
    session = books.add("billing_portal.session", made, parent=customer.id)
    tell(books, "billing_portal.session.created", session)
    return session.object


def _take(customer: Document, params: Params) -> None:
    for name in _TEXTS:
        if (value := params.text(name)) is not None:
            customer[name] = value or None
    customer["metadata"] = params.metadata(customer["metadata"])
    if "address" in params:
        customer["address"] = _address(params.inner("address"), customer["address"])
    params.accept("tax", "tax_exempt", "shipping", "preferred_locales", "source", "tax_id_data")


def _address(params: Params, before: Json | None) -> Json:
    address: dict[str, Any] = dict(before or shapes.EMPTY_ADDRESS)
    for name in shapes.EMPTY_ADDRESS:
        if (value := params.text(name)) is not None:
            address[name] = value or None
    params.refuse_unknown()
    return address


async def _take_default_card(books: Books, customer: Document, params: Params) -> None:
    settings = params.inner("invoice_settings")
    settings.accept("custom_fields", "footer", "rendering_options")
    wanted = settings.text("default_payment_method")
    settings.refuse_unknown()
    if wanted is None:
        return
    if wanted:
        card = await books.get("payment_method", wanted, param="payment_method")
        if card["customer"] != customer.id:
            raise InvalidRequest(
                "The customer does not have a payment method with the ID "
                f"{wanted}. The payment method must be attached to the customer.",
                param="invoice_settings[default_payment_method]",
            )
    customer["invoice_settings"]["default_payment_method"] = wanted or None


def _parse_query(query: str) -> list[tuple[str | None, str | None, str]]:
    """(field, metadata key, value) for each clause."""
    clauses = []
    for part in re.split(r"\s+AND\s+", query):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise InvalidRequest(
                "The sandbox searches customers by email, name, phone and metadata, joined by AND.",
                param="query",
            )
        value = re.sub(r"\\(.)", r"\1", match["value"])
        clauses.append((match["field"], match["key"], value))
    return clauses


def _fits(customer: Json, field: str | None, key: str | None, value: str) -> bool:
    if field:
        return bool(customer[field] == value)
    return bool(customer["metadata"].get(key) == value)
