"""Invoices, and what the next one would be."""

from app.sandbox.acts import endings, invoices, preview, subscriptions
from app.sandbox.acts.customers import find_or_make_card
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Json
from app.sandbox.errors import InvalidRequest, NothingUpcoming
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_of
from app.sandbox.routes.subscriptions import read_change

_STATUSES = ("draft", "open", "paid", "uncollectible", "void")


async def retrieve(books: Books, params: Params, invoice_id: str) -> Json:
    """GET /v1/invoices/{id}."""
    return (await books.get("invoice", invoice_id, param="invoice")).object


async def list_(books: Books, params: Params) -> Json:
    """GET /v1/invoices, by customer, subscription and status."""
    status = params.text("status")
    if status:
        params.choice("status", _STATUSES, "")
    filters = {
        "parent = :value": params.text("customer"),
        "object->>'status' = :value": status,
        "object->'parent'->'subscription_details'->>'subscription' = :value": params.text(
            "subscription"
        ),
    }
    params.accept("collection_method")
    return await page_of(books, "invoice", params, "/v1/invoices", filters)


async def list_lines(books: Books, params: Params, invoice_id: str) -> Json:
    """GET /v1/invoices/{id}/lines."""
    params.accept("limit", "starting_after")
    lines: Json = (await books.get("invoice", invoice_id, param="invoice"))["lines"]
    return lines


async def finalize(books: Books, params: Params, invoice_id: str) -> Json:
    """POST /v1/invoices/{id}/finalize."""
    invoice = await invoices.get_invoice(books, invoice_id)
    params.accept("auto_advance")
    await invoices.finalize(books, invoice)
    return invoice.object


async def pay(books: Books, params: Params, invoice_id: str) -> Json:
    """POST /v1/invoices/{id}/pay."""
    invoice = await invoices.get_invoice(books, invoice_id)
    wanted = params.text("payment_method")
    card = await find_or_make_card(books, wanted) if wanted else None
    params.accept("off_session", "forgive")
    await invoices.pay(books, invoice, card)
    return invoice.object


async def void(books: Books, params: Params, invoice_id: str) -> Json:
    """POST /v1/invoices/{id}/void."""
    invoice = await invoices.get_invoice(books, invoice_id)
    invoices.void(books, invoice)
    return invoice.object


async def mark_uncollectible(books: Books, params: Params, invoice_id: str) -> Json:
    """POST /v1/invoices/{id}/mark_uncollectible."""
    invoice = await invoices.get_invoice(books, invoice_id)
    invoices.mark_uncollectible(books, invoice)
    return invoice.object


async def update(books: Books, params: Params, invoice_id: str) -> Json:
    """POST /v1/invoices/{id}: its metadata, description, and whether it goes on by itself."""
    invoice = await invoices.get_invoice(books, invoice_id)
    invoice["metadata"] = params.metadata(invoice["metadata"])
    if (words := params.text("description")) is not None:
        invoice["description"] = words or None
    advance = params.boolean("auto_advance")
    if advance is False:
        invoices.stop_retries(invoice)
    elif advance and invoice["status"] == "draft":
        invoices.leave_as_draft(invoice, books.now + invoices.DRAFT_SECONDS)
    tell(books, "invoice.updated", invoice)
    return invoice.object


async def create_preview(books: Books, params: Params) -> Json:
    """POST /v1/invoices/create_preview: of a subscription as it is, or as it would be changed."""
    subscription = await subscriptions.get_subscription(
        books, params.need("subscription"), param="subscription"
    )
    if (owner := params.text("customer")) and owner != subscription["customer"]:
        raise InvalidRequest("The subscription is not this customer's.", param="customer")
    params.accept("preview_mode", "currency", "automatic_tax")
    details = params.inner("subscription_details")
    change = await read_change(books, subscription, details)
    is_ending = details.boolean("cancel_at_period_end")
    details.accept("billing_mode")
    details.refuse_unknown()
    if subscription["status"] in endings.ENDED:
        raise NothingUpcoming
    return await preview.upcoming(books, subscription, change, is_ending=is_ending)
