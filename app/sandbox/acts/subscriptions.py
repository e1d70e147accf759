"""Subscriptions: begun, renewed, and what is due to happen to them."""

from app.sandbox.acts import endings, invoices
from app.sandbox.acts.customers import find_default_card, get_customer
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import InvalidRequest
from app.sandbox.months import period_end
from app.sandbox.shapes import subscription as shapes
from app.sandbox.shapes.invoice import Line
from app.sandbox.shapes.subscription import Wish

TIMES = "\N{MULTIPLICATION SIGN}"


async def get_subscription(books: Books, subscription_id: str, *, param: str = "id") -> Document:
    """The subscription, by its customer's clock. Raises ResourceMissing."""
    found = await books.get("subscription", subscription_id, param=param)
    await get_customer(books, found["customer"])
    return found


async def begin(
    books: Books,
    customer: Document,
    wish: Wish,
    *,
    card: Document | None = None,
    in_checkout: bool = False,
) -> tuple[Document, Document]:
    """A new subscription and its first invoice, charged now; incomplete when that fails."""
    _check_trial(books, wish)
    anchor = wish.trial_end or books.now
    ends = wish.trial_end or period_end(books.now, books.now, wish.price["recurring"]["interval"])
    status = "trialing" if wish.trial_end else "incomplete"
    made = shapes.subscription(
        wish, customer.object, now=books.now, status=status, anchor=anchor, period_ends=ends
    )
    subscription = books.add("subscription", made, parent=customer.id)
    customer["currency"] = customer["currency"] or wish.price["currency"]
    line = await period_line(books, subscription)
    invoice = await invoices.draft(
        books, subscription, [line], reason="subscription_create", period=(books.now, books.now)
    )
    endings.schedule(subscription)
    tell(books, "customer.subscription.created", subscription)
    await invoices.finalize(books, invoice)
    await invoices.collect(books, invoice, card=card, in_checkout=in_checkout)
    return subscription, invoice


def _check_trial(books: Books, wish: Wish) -> None:
    if wish.trial_end is not None and wish.trial_end <= books.now:
        raise InvalidRequest(
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
            param="trial_end",
        )


async def period_line(books: Books, subscription: Document) -> Line:
    """The line for the item's present period; a trial costs nothing."""
    item: Json = subscription["items"]["data"][0]
    price, is_trial = item["price"], subscription["status"] == "trialing"
    name = await product_name(books, price)
    words = (
        f"Trial period for {name}" if is_trial else f"{item['quantity']} {TIMES} {_at(name, price)}"
    )
    return Line(
        amount=0 if is_trial else price["unit_amount"] * item["quantity"],
        description=words,
        starts=item["current_period_start"],
        ends=item["current_period_end"],
        price=price,
        quantity=item["quantity"],
        item_id=item["id"],
    )


async def product_name(books: Books, price: Json) -> str:
    """What people call the thing that this price is for."""
    name: str = (await books.get("product", price["product"]))["name"]
    return name


def _at(name: str, price: Json) -> str:
    whole, cents = divmod(price["unit_amount"], 100)
    interval = price["recurring"]["interval"]
    return f"{name} (at {whole:,}.{cents:02} {price['currency'].upper()} / {interval})"


async def run(books: Books, subscription: Document) -> None:
    """What is due by now: a warning, an ending, or the next period."""
    if subscription["status"] == "incomplete":
        await endings.expire(books, subscription)
        return
    item = subscription["items"]["data"][0]
    if subscription["cancel_at"] and subscription["cancel_at"] <= books.now:
        await endings.end(books, subscription, reason="cancellation_requested")
    elif item["current_period_end"] <= books.now:
        await _renew(books, subscription)
    else:
        subscription.notes["trial_warned"] = True
        endings.schedule(subscription)
        tell(books, "customer.subscription.trial_will_end", subscription)


async def _renew(books: Books, subscription: Document) -> None:
    """The next period begins, and an hour later its invoice is charged."""
    if subscription["status"] == "trialing" and await _must_end_with_trial(books, subscription):
        await endings.end(books, subscription, reason="payment_failed")
        return
    item = subscription["items"]["data"][0]
    before = (item["current_period_start"], item["current_period_end"])
    begin_period(subscription, item["current_period_end"])
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    line = await period_line(books, subscription)
    invoice = await invoices.draft(
        books, subscription, [line], reason="subscription_cycle", period=before
    )
    is_unpaid = subscription["status"] == "unpaid"
    invoices.leave_as_draft(invoice, None if is_unpaid else books.now + invoices.DRAFT_SECONDS)
    endings.schedule(subscription)
    tell(books, "customer.subscription.updated", subscription)


async def _must_end_with_trial(books: Books, subscription: Document) -> bool:
    wanted = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    customer = await get_customer(books, subscription["customer"])
    card = await find_default_card(books, customer, subscription)
    return bool(wanted == "cancel" and card is None)


def begin_period(subscription: Document, starts: int) -> None:
    """Let a period begin, to end at the next boundary that the anchor gives."""
    item = subscription["items"]["data"][0]
    interval = item["price"]["recurring"]["interval"]
    item["current_period_start"] = starts
    item["current_period_end"] = period_end(subscription["billing_cycle_anchor"], starts, interval)


def end_with_period(books: Books, subscription: Document, *, is_ending: bool) -> None:
    """Let it end when its period does, or renew again after all."""
    ends = subscription["items"]["data"][0]["current_period_end"]
    subscription["cancel_at_period_end"] = is_ending
    end_at(books, subscription, ends if is_ending else None)


def end_at(books: Books, subscription: Document, moment: int | None) -> None:
    """Let it end at this moment, or not at all."""
    subscription["cancel_at"] = moment
    subscription["canceled_at"] = None if moment is None else books.now
    reason = None if moment is None else "cancellation_requested"
    subscription["cancellation_details"]["reason"] = reason
    endings.schedule(subscription)
