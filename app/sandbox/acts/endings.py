"""How subscriptions end, and when something happens to them by itself."""

from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document

ENDED = frozenset({"canceled", "incomplete_expired"})
INCOMPLETE_SECONDS = 23 * 3_600
TRIAL_WARNING_SECONDS = 3 * 86_400
OPTIONS_ID = "sandbox_options"


def schedule(subscription: Document) -> None:
    """Find the next moment at which this subscription changes by itself."""
    status = subscription["status"]
    if status in ENDED:
        subscription.due_at = None
        return
    if status == "incomplete":
        subscription.due_at = subscription["created"] + INCOMPLETE_SECONDS
        return
    moments = [subscription["items"]["data"][0]["current_period_end"]]
    if subscription["cancel_at"]:
        moments.append(subscription["cancel_at"])
    if status == "trialing" and not subscription.notes.get("trial_warned"):
        moments.append(subscription["trial_end"] - TRIAL_WARNING_SECONDS)
    subscription.due_at = min(moments)


async def end(books: Books, subscription: Document, *, reason: str) -> None:
    """Cancel it now; its open invoices are charged no more."""
    subscription["status"] = "canceled"
    subscription["ended_at"] = books.now
    subscription["canceled_at"] = subscription["canceled_at"] or books.now
    details = subscription["cancellation_details"]
    details["reason"] = details["reason"] or reason
    schedule(subscription)
    await _stop_invoices(books, subscription)
    tell(books, "customer.subscription.deleted", subscription)


async def expire(books: Books, subscription: Document) -> None:
    """The first invoice was not paid in time: it counts for nothing, and the subscription ends."""
    subscription["status"] = "incomplete_expired"
    subscription["ended_at"] = books.now
    schedule(subscription)
    for invoice in await _open_invoices(books, subscription):
        invoice["status"] = "void"
        invoice["status_transitions"]["voided_at"] = books.now
        tell(books, "invoice.voided", invoice)
    tell(books, "customer.subscription.updated", subscription)


async def give_up(books: Books, subscription: Document, invoice: Document) -> None:
    """The last try failed: the subscription is unpaid or canceled, as the options say."""
    invoice["auto_advance"] = False
    options = await books.find(OPTIONS_ID)
    if options and options["after_last_retry"] == "canceled":
        await end(books, subscription, reason="payment_failed")
        return
    subscription["status"] = "unpaid"
    tell(books, "customer.subscription.updated", subscription)


async def _stop_invoices(books: Books, subscription: Document) -> None:
    for invoice in await _open_invoices(books, subscription):
        invoice["auto_advance"] = False
        invoice["next_payment_attempt"] = invoice["automatically_finalizes_at"] = None
        invoice.due_at = None
        tell(books, "invoice.updated", invoice)


async def _open_invoices(books: Books, subscription: Document) -> list[Document]:
    return [
        invoice
        for invoice in await books.list_all("invoice", subscription["customer"])
        if invoice["status"] in {"draft", "open"}
        and invoice["parent"]["subscription_details"]["subscription"] == subscription.id
    ]
