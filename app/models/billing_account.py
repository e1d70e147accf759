"""What we know of an account's billing beyond the document's `Subscription`."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, references


class BillingAccount(Record, table=True):
    """A side row of `User`, there from the first act of billing on.

    `tier`: the plan that the subscription is for. `unpaid_since`: since when the oldest of its
    invoices is open. `is_over`: it ended with the period that was paid, by Stripe's clock, which
    in the sandbox goes ahead of ours. `month_anchor`: when its first month began, from which on its
    months of units are counted. `customer_asked_at`: when Stripe was first asked for a
    customer, whose answer may have been lost. `trial_given_at`: when leftover trial days became
    Stripe's. `acts`: how many changes were finished. `lease_…`: who is at work on it, and how
    long at most.
    """

    __tablename__ = "BillingAccount"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    user_id: str = references("User", primary_key=True)
    tier: str = "free"
    unpaid_since: datetime | None = None
    unpaid_invoice_id: str | None = None
    is_over: bool = False
    month_anchor: datetime | None = None
    customer_asked_at: datetime | None = None
    trial_given_at: datetime | None = None
    acts: int = 0
    lease_holder: str | None = None
    lease_ends_at: datetime | None = None
