"""Changing a subscription's price: what is given back, what is charged, and when."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from app.sandbox.acts import endings, invoices
from app.sandbox.acts.events import tell
from app.sandbox.acts.subscriptions import begin_period, period_line, product_name
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import InvalidRequest
from app.sandbox.months import period_end, share
from app.sandbox.shapes.catalog import plan_of
from app.sandbox.shapes.invoice import Line

BEHAVIORS = ("create_prorations", "always_invoice", "none")


@dataclass(frozen=True)
class Change:
    """Another price, or quantity, from `at` on."""

    price: Json
    quantity: int
    behavior: str
    at: int


@dataclass(frozen=True)
class Outcome:
    """What a change brings: its lines, and whether they are charged at once."""

    lines: list[Line]
    is_at_once: bool
    begins_period: bool

    def due(self, balance: int, waiting: list[Json]) -> int:
        """What is to be paid at once, with what waited for an invoice, after the balance."""
        if not self.is_at_once:
            return 0
        before: int = sum(line["amount"] for line in waiting)
        return max(before + sum(line.amount for line in self.lines) + balance, 0)


async def weigh(books: Books, subscription: Document, change: Change) -> Outcome:
    """What the change would bring. Changes nothing. Raises InvalidRequest."""
    item: Json = subscription["items"]["data"][0]
    is_same = (item["price"]["id"], item["quantity"]) == (change.price["id"], change.quantity)
    if is_same or subscription["status"] == "trialing":
        return Outcome([], is_at_once=False, begins_period=False)
    if not item["current_period_start"] <= change.at <= item["current_period_end"]:
        raise InvalidRequest(
            "Cannot prorate: the proration date must lie in the current period.",
            param="proration_date",
        )
    interval = change.price["recurring"]["interval"]
    has_new_interval = interval != item["price"]["recurring"]["interval"]
    lines = [] if change.behavior == "none" else [await _credit(books, item, change)]
    if has_new_interval:
        ends = period_end(books.now, books.now, interval)
        lines.append(await _charge(books, item, change, ends, is_whole=True))
    elif change.behavior != "none":
        lines.append(await _charge(books, item, change, item["current_period_end"]))
    is_at_once = has_new_interval or (change.behavior == "always_invoice" and bool(lines))
    return Outcome(lines, is_at_once=is_at_once, begins_period=has_new_interval)


async def apply(books: Books, subscription: Document, change: Change) -> Document | None:
    """Make the change; the invoice that it made at once, already charged, if any."""
    outcome = await weigh(books, subscription, change)
    item = subscription["items"]["data"][0]
    before = (item["current_period_start"], item["current_period_end"])
    item["price"], item["plan"] = change.price, plan_of(change.price)
    item["quantity"] = change.quantity
    if outcome.begins_period:
        subscription["billing_cycle_anchor"] = books.now
        begin_period(subscription, books.now)
    endings.schedule(subscription)
    if not outcome.is_at_once:
        _keep_for_next_invoice(subscription, outcome.lines)
        return None
    return await charge_now(books, subscription, outcome.lines, before)


async def charge_now(
    books: Books, subscription: Document, lines: list[Line], period: tuple[int, int]
) -> Document:
    """Invoice these lines at once. What the subscription became is told first."""
    invoice = await invoices.draft(
        books, subscription, lines, reason="subscription_update", period=period
    )
    tell(books, "customer.subscription.updated", subscription)
    await invoices.finalize(books, invoice)
    await invoices.collect(books, invoice)
    return invoice


async def end_trial(books: Books, subscription: Document) -> None:
    """The trial is over now: a paid period begins, and is charged at once."""
    item = subscription["items"]["data"][0]
    before = (item["current_period_start"], item["current_period_end"])
    subscription["status"] = "active"
    subscription["trial_end"] = subscription["billing_cycle_anchor"] = books.now
    begin_period(subscription, books.now)
    endings.schedule(subscription)
    await charge_now(books, subscription, [await period_line(books, subscription)], before)


def set_trial(books: Books, subscription: Document, trial_end: int) -> None:
    """Nothing is charged until then. Raises InvalidRequest for a time that has passed."""
    if trial_end <= books.now:
        raise InvalidRequest(
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
            param="trial_end",
        )
    item = subscription["items"]["data"][0]
    if subscription["status"] != "trialing":
        subscription["trial_start"] = item["current_period_start"] = books.now
    subscription["status"] = "trialing"
    subscription["trial_end"] = subscription["billing_cycle_anchor"] = trial_end
    item["current_period_end"] = trial_end
    subscription.notes.pop("trial_warned", None)
    endings.schedule(subscription)


async def _credit(books: Books, item: Json, change: Change) -> Line:
    name = await product_name(books, item["price"])
    return Line(
        amount=-_rest_of(item, item["price"]["unit_amount"] * item["quantity"], change.at),
        description=f"Unused time on {name} after {_day(change.at)}",
        starts=change.at,
        ends=item["current_period_end"],
        price=item["price"],
        quantity=item["quantity"],
        item_id=item["id"],
        is_proration=True,
    )


async def _charge(
    books: Books, item: Json, change: Change, ends: int, *, is_whole: bool = False
) -> Line:
    name = await product_name(books, change.price)
    whole = change.price["unit_amount"] * change.quantity
    return Line(
        amount=whole if is_whole else _rest_of(item, whole, change.at),
        description=name if is_whole else f"Remaining time on {name} after {_day(change.at)}",
        starts=books.now if is_whole else change.at,
        ends=ends,
        price=change.price,
        quantity=change.quantity,
        item_id=item["id"],
        is_proration=not is_whole,
    )


def _rest_of(item: Json, amount: int, at: int) -> int:
    return share(amount, at, item["current_period_start"], item["current_period_end"])


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%-d %b %Y}"


def _keep_for_next_invoice(subscription: Document, lines: list[Line]) -> None:
    if lines:
        waiting = subscription.notes.get("pending", [])
        subscription.notes["pending"] = [*waiting, *(asdict(line) for line in lines)]
