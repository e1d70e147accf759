"""Invoices: drafted, finalised, charged, charged again, and given up."""

from app.sandbox.acts import endings
from app.sandbox.acts.customers import find_default_card, get_customer, make_card
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document
from app.sandbox.errors import CardError, InvalidRequest
from app.sandbox.shapes import invoice as shapes
from app.sandbox.shapes.customer import TestCard, conduct_of
from app.sandbox.shapes.invoice import Line

DRAFT_SECONDS = 3_600
"""How long Stripe leaves an invoice that it made by itself open to changes."""

RETRY_DAYS = (3, 5, 7)
"""Days from a failed charge to the next one."""


async def get_invoice(books: Books, invoice_id: str) -> Document:
    """The invoice, by its customer's clock. Raises ResourceMissing."""
    found = await books.get("invoice", invoice_id, param="invoice")
    await get_customer(books, found["customer"])
    return found


async def find_subscription(books: Books, invoice: Document) -> Document | None:
    """The subscription that made it."""
    return await books.find(invoice["parent"]["subscription_details"]["subscription"])


async def draft(
    books: Books,
    subscription: Document,
    lines: list[Line],
    *,
    reason: str,
    period: tuple[int, int],
) -> Document:
    """A new draft, the subscription's latest; what waited for the next invoice is on it."""
    customer = await get_customer(books, subscription["customer"])
    waiting = [Line(**one) for one in subscription.notes.pop("pending", [])]
    made = shapes.invoice(
        customer.object,
        subscription.object,
        [*waiting, *lines],
        now=books.now,
        reason=reason,
        period=period,
    )
    invoice = books.add("invoice", made, parent=customer.id)
    subscription["latest_invoice"] = invoice.id
    tell(books, "invoice.created", invoice)
    return invoice


def leave_as_draft(invoice: Document, until: int | None) -> None:
    """Finalised by itself at that time, or never."""
    invoice["auto_advance"] = until is not None
    invoice["automatically_finalizes_at"] = until
    invoice.due_at = until


async def finalize(books: Books, invoice: Document) -> None:
    """Number it, take the customer's balance into account, and open it. Raises InvalidRequest."""
    if invoice["status"] != "draft":
        raise InvalidRequest(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    customer = await get_customer(books, invoice["customer"])
    left = invoice["total"] + customer["balance"]
    invoice["starting_balance"] = customer["balance"]
    invoice["amount_due"] = invoice["amount_remaining"] = max(left, 0)
    invoice["ending_balance"] = customer["balance"] = min(left, 0)
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    invoice["status"] = "open"
    invoice["effective_at"] = invoice["status_transitions"]["finalized_at"] = books.now
    invoice["automatically_finalizes_at"] = invoice.due_at = None
    invoice["hosted_invoice_url"] = f"{books.public_url}/sandbox/invoices/{invoice.id}"
    invoice["invoice_pdf"] = f"{books.public_url}/sandbox/invoices/{invoice.id}/pdf"
    if invoice["starting_balance"] != invoice["ending_balance"]:
        tell(books, "customer.updated", customer)
    tell(books, "invoice.finalized", invoice)


async def collect(
    books: Books,
    invoice: Document,
    *,
    card: Document | None = None,
    in_checkout: bool = False,
    is_scheduled: bool = True,
) -> bool:
    """Charge an open invoice; whether it is paid now. What follows for the subscription is done.

    `in_checkout` a card that fails later still pays. A try that is not scheduled leaves the
    schedule of tries as it is.
    """
    subscription = await find_subscription(books, invoice)
    if invoice["amount_due"] == 0:
        await _note_paid(books, invoice, subscription)
        return True
    customer = await get_customer(books, invoice["customer"])
    card = card or await find_default_card(books, customer, subscription)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if card and is_good(card, in_checkout=in_checkout):
        await _note_paid(books, invoice, subscription)
        return True
    await _note_failed(books, invoice, subscription, is_scheduled=is_scheduled)
    return False


def is_good(card: Document, *, in_checkout: bool = False) -> bool:
    """Whether a charge on this card goes through."""
    conduct = conduct_of(card.object)
    return conduct == "works" or (in_checkout and conduct == "fails_later")


async def pay(books: Books, invoice: Document, card: Document | None = None) -> None:
    """Pay it now, as somebody asks. Raises CardError, with the try on record, or InvalidRequest."""
    if invoice["status"] == "draft":
        await finalize(books, invoice)
    if invoice["status"] == "paid":
        raise InvalidRequest("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise InvalidRequest("This invoice is voided and can not be paid.")
    if not await collect(books, invoice, card=card, is_scheduled=False):
        raise CardError


async def pay_with(books: Books, invoice: Document, card: TestCard) -> None:
    """Pay it with a card that is used this once. Raises as `pay` does."""
    await pay(books, invoice, await make_card(books, card.token))


def void(books: Books, invoice: Document) -> None:
    """Let it count for nothing. Raises InvalidRequest for one that is not open."""
    _close(books, invoice, "void", "voided_at", "invoice.voided")


def mark_uncollectible(books: Books, invoice: Document) -> None:
    """Give up on it. Raises InvalidRequest for one that is not open."""
    _close(
        books, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible"
    )


def _close(books: Books, invoice: Document, status: str, moment: str, kind: str) -> None:
    if invoice["status"] != "open" and not (
        status == "void" and invoice["status"] == "uncollectible"
    ):
        raise InvalidRequest(
            f"You can only change finalized, open invoices; this one is {invoice['status']}."
        )
    invoice["status"] = status
    invoice["status_transitions"][moment] = books.now
    stop_retries(invoice)
    tell(books, kind, invoice)


def stop_retries(invoice: Document) -> None:
    """Charge it no more by itself."""
    invoice["next_payment_attempt"] = invoice.due_at = None
    invoice["auto_advance"] = False


async def _note_paid(books: Books, invoice: Document, subscription: Document | None) -> None:
    invoice["status"] = "paid"
    invoice["amount_paid"], invoice["amount_remaining"] = invoice["amount_due"], 0
    invoice["attempted"] = True
    invoice["status_transitions"]["paid_at"] = books.now
    stop_retries(invoice)
    tell(books, "invoice.paid", invoice)
    tell(books, "invoice.payment_succeeded", invoice)
    await _note_delinquency(books, invoice["customer"])
    if subscription is None or subscription["latest_invoice"] != invoice.id:
        return
    if subscription["status"] in {"incomplete", "past_due", "unpaid"}:
        subscription["status"] = "active"
        endings.schedule(subscription)
        tell(books, "customer.subscription.updated", subscription)


async def _note_failed(
    books: Books, invoice: Document, subscription: Document | None, *, is_scheduled: bool
) -> None:
    is_first = invoice["billing_reason"] == "subscription_create"
    tries = invoice.notes.get("tries", 0)
    if is_scheduled:
        invoice.notes["tries"] = tries + 1
        is_last = is_first or tries >= len(RETRY_DAYS)
        moment = None if is_last else books.now + RETRY_DAYS[tries] * 86_400
        invoice["next_payment_attempt"] = invoice.due_at = moment
    tell(books, "invoice.payment_failed", invoice)
    await _note_delinquency(books, invoice["customer"])
    if subscription is None or subscription["latest_invoice"] != invoice.id or is_first:
        return
    if subscription["status"] in {"active", "trialing"}:
        subscription["status"] = "past_due"
        tell(books, "customer.subscription.updated", subscription)
    if is_scheduled and invoice["next_payment_attempt"] is None:
        await endings.give_up(books, subscription, invoice)


async def _note_delinquency(books: Books, customer_id: str) -> None:
    customer = await get_customer(books, customer_id)
    invoices = await books.list_all("invoice", customer_id)
    is_delinquent = any(one["status"] == "open" and one["attempted"] for one in invoices)
    if customer["delinquent"] != is_delinquent:
        customer["delinquent"] = is_delinquent
        tell(books, "customer.updated", customer)
