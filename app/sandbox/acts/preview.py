"""The invoice that would come next, or that a change would make at once. Nothing is kept."""

import copy

from app.sandbox.acts import changes
from app.sandbox.acts.changes import Change
from app.sandbox.acts.customers import get_customer
from app.sandbox.acts.subscriptions import period_line
from app.sandbox.books import Books
from app.sandbox.document import Document, Json, new_object_id
from app.sandbox.errors import NothingUpcoming
from app.sandbox.months import period_end
from app.sandbox.shapes import invoice as shapes
from app.sandbox.shapes.invoice import Line


async def upcoming(
    books: Books, subscription: Document, change: Change | None, *, is_ending: bool | None = None
) -> Json:
    """The invoice in Stripe's shape. Raises NothingUpcoming when there will be none."""
    lines = [Line(**one) for one in subscription.notes.get("pending", [])]
    ends = subscription["cancel_at_period_end"] if is_ending is None else is_ending
    item = subscription["items"]["data"][0]
    period = (item["current_period_start"], item["current_period_end"])
    created, reason = item["current_period_end"], "upcoming"
    if change is not None:
        outcome = await changes.weigh(books, subscription, change)
        lines += outcome.lines
        if outcome.is_at_once:
            return await _invoice(
                books, subscription, lines, books.now, "subscription_update", period
            )
    if not ends:
        lines.append(await _next_line(books, subscription, change))
    if not lines:
        raise NothingUpcoming
    return await _invoice(books, subscription, lines, created, reason, period)


async def _next_line(books: Books, subscription: Document, change: Change | None) -> Line:
    """The line of the period after the present one."""
    after = Document(subscription.id, "subscription", copy.deepcopy(subscription.object))
    after["status"] = "active"
    item = after["items"]["data"][0]
    if change is not None:
        item["price"], item["quantity"] = change.price, change.quantity
    starts = item["current_period_end"]
    interval = item["price"]["recurring"]["interval"]
    item["current_period_start"] = starts
    item["current_period_end"] = period_end(after["billing_cycle_anchor"], starts, interval)
    return await period_line(books, after)


async def _invoice(
    books: Books,
    subscription: Document,
    lines: list[Line],
    created: int,
    reason: str,
    period: tuple[int, int],
) -> Json:
    customer = await get_customer(books, subscription["customer"])
    made = shapes.invoice(
        customer.object,
        subscription.object,
        lines,
        now=created,
        reason=reason,
        period=period,
        invoice_id=new_object_id("upcoming_in"),
    )
    made["next_payment_attempt"] = created
    made["ending_balance"] = min(made["total"] + customer["balance"], 0)
    return made
