"""Stripe's objects as far as we use them, read from what it answers.

Reading is tolerant where Stripe's versions differ (periods live on a subscription's items now,
and lived on the subscription before) and strict where nothing can be made of the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.integrations.stripe.errors import StripeUnavailable

Read = TypeVar("Read")
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription with its first item, which is the only one that we ever make.

    `cancel_at_period_end`: it ends by itself; `ends_on_a_day`: on one that the dashboard was
    given, not with its period.
    """

    id: str
    customer_id: str
    status: str
    item_id: str
    price_id: str
    price_tier: str | None
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool
    ends_on_a_day: bool
    created_at: datetime
    canceled_at: datetime | None
    ended_at: datetime | None
    trial_end: datetime | None
    is_payment_failure: bool
    latest_invoice_id: str | None

    @property
    def is_over(self) -> bool:
        """Whether it ended no sooner than the last period that was begun."""
        ends = (self.ended_at, self.period_end)
        return self.status == "canceled" and None not in ends and ends[0] >= ends[1]  # type: ignore[operator]  # neither is None

    @property
    def month_anchor(self) -> datetime:
        """When its first month began: as it was made, or when its trial was over.

        A period begins anew whenever the plan changes between month and year, with what is left
        of the old one given back. The months that units are counted in go on.
        """
        trial_end, begins = self.trial_end, self.period_start
        is_after_trial = trial_end is not None and begins is not None and begins >= trial_end
        return trial_end if is_after_trial and trial_end is not None else self.created_at


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An invoice. `amount_cents`: what it is over, whether or not that is paid."""

    id: str
    subscription_id: str | None
    number: str | None
    status: str
    created_at: datetime
    amount_cents: int
    currency: str
    hosted_url: str | None
    pdf_url: str | None


@dataclass(frozen=True, slots=True)
class StripePrice:
    """A price: what is charged, and how often (`month`, `year`; None for once)."""

    id: str
    is_active: bool
    currency: str
    unit_amount: int | None
    interval: str | None
    interval_count: int


@dataclass(frozen=True, slots=True)
class StripeCheckout:
    """A checkout session. `status`: open, complete, expired."""

    id: str
    url: str | None
    status: str
    customer_id: str | None
    user_id: str | None
    terms: str | None


@dataclass(frozen=True, slots=True)
class StripePreviewLine:
    """A line of an invoice that is not made yet; a negative amount is given back."""

    description: str
    amount_cents: int
    period_start: datetime
    period_end: datetime
    is_proration: bool


@dataclass(frozen=True, slots=True)
class StripePreview:
    """An invoice that would be made now, by Stripe's clock: at `made_at`."""

    lines: tuple[StripePreviewLine, ...]
    due_cents: int
    currency: str
    made_at: datetime


TERMS_KEY = "latchkey_terms"
"""Metadata of a checkout session: what was to be bought, to know it again by."""

TIER_KEY = "latchkey_tier"
"""Metadata of a price that is not in the plans file any more: the plan that it still buys."""


def read(reader: Callable[[Object], Read], answer: object) -> Read:
    """What an answer holds. Raises StripeUnavailable when nothing can be made of it."""
    try:
        return reader(answer)  # type: ignore[arg-type]  # a wrong answer may be anything
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise StripeUnavailable from error


def subscription(found: Object) -> StripeSubscription:
    """A subscription, periods from its item, else from itself."""
    item = found["items"]["data"][0]
    price = item.get("price") or item["plan"]
    return StripeSubscription(
        id=_text(found["id"]),
        customer_id=_id(found["customer"]),
        status=_text(found["status"]),
        item_id=_text(item["id"]),
        price_id=_text(price["id"]),
        price_tier=(price.get("metadata") or {}).get(TIER_KEY),
        period_start=_moment(item, found, "current_period_start"),
        period_end=_moment(item, found, "current_period_end"),
        cancel_at_period_end=bool(found["cancel_at_period_end"]) or _ends_on_a_day(found),
        ends_on_a_day=_ends_on_a_day(found),
        created_at=_time(found["created"]),
        canceled_at=_time_or_none(found.get("canceled_at")),
        ended_at=_time_or_none(found.get("ended_at")),
        trial_end=_time_or_none(found.get("trial_end")),
        is_payment_failure=(found.get("cancellation_details") or {}).get("reason")
        == "payment_failed",
        latest_invoice_id=_id_or_none(found.get("latest_invoice")),
    )


def invoice(found: Object) -> StripeInvoice:
    """An invoice; what it is for is read where Stripe's versions have it."""
    parent = (found.get("parent") or {}).get("subscription_details") or {}
    return StripeInvoice(
        id=_text(found["id"]),
        subscription_id=_id_or_none(parent.get("subscription") or found.get("subscription")),
        number=found.get("number"),
        status=_text(found.get("status") or "draft"),
        created_at=_time(found.get("created") or found["date"]),
        amount_cents=int(found["total"]),
        currency=_text(found["currency"]),
        hosted_url=found.get("hosted_invoice_url"),
        pdf_url=found.get("invoice_pdf"),
    )


def price(found: Object) -> StripePrice:
    """A price."""
    recurring = found.get("recurring") or {}
    amount = found.get("unit_amount")
    return StripePrice(
        id=_text(found["id"]),
        is_active=found["active"] is True,
        currency=_text(found["currency"]),
        unit_amount=None if amount is None else int(amount),
        interval=recurring.get("interval"),
        interval_count=int(recurring.get("interval_count") or 1),
    )


def checkout(found: Object) -> StripeCheckout:
    """A checkout session."""
    return StripeCheckout(
        id=_text(found["id"]),
        url=found.get("url"),
        status=_text(found["status"]),
        customer_id=_id_or_none(found.get("customer")),
        user_id=found.get("client_reference_id"),
        terms=(found.get("metadata") or {}).get(TERMS_KEY),
    )


def preview(found: Object) -> StripePreview:
    """An invoice that would be made now, with the lines that it would have."""
    lines = tuple(_preview_line(line) for line in found["lines"]["data"])
    begins = [line.period_start for line in lines if line.is_proration]
    return StripePreview(
        lines=lines,
        due_cents=int(found["amount_due"]),
        currency=_text(found["currency"]),
        # what was left over from an earlier change, and is on this invoice too, begins before
        made_at=max(begins) if begins else _time(found["created"]),
    )


def identifier(found: Object) -> str:
    """The object's id."""
    return _text(found["id"])


def address(found: Object) -> str:
    """The address of a page of Stripe's."""
    return _text(found["url"])


def _preview_line(line: Object) -> StripePreviewLine:
    details = (line.get("parent") or {}).get("subscription_item_details") or {}
    return StripePreviewLine(
        description=line.get("description") or "",
        amount_cents=int(line["amount"]),
        period_start=_time(line["period"]["start"]),
        period_end=_time(line["period"]["end"]),
        is_proration=bool(details.get("proration", line.get("proration"))),
    )


def _ends_on_a_day(found: Object) -> bool:
    # where it ends with its period, Stripe says that day too
    has_day = found.get("cancel_at") is not None and found.get("ended_at") is None
    return has_day and not found["cancel_at_period_end"]


def _moment(item: Object, found: Object, name: str) -> datetime | None:
    return _time_or_none(item.get(name) or found.get(name))


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _time_or_none(seconds: Any) -> datetime | None:
    return None if seconds is None else _time(seconds)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is missing")
    return value


def _id(value: Any) -> str:
    """An id, whether the object was sent whole or not."""
    return _text(value["id"] if isinstance(value, Mapping) else value)


def _id_or_none(value: Any) -> str | None:
    return None if value is None else _id(value)
