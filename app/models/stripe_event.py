"""An event that Stripe sent, as it came."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record, made_now


class StripeEvent(Record, table=True):
    """A signed event, stored before anything is done about it. `payload` is the body's text.

    `state`: `pending` → `applied`, or `failed` when it was tried for days; `ignored` when it is
    of a type, a customer or an account that we have nothing to do with: then without its payload.
    `note` says why.
    """

    __tablename__ = "StripeEvent"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    id: str = Field(primary_key=True)
    type: str
    stripe_customer_id: str | None = None
    payload: str
    state: str
    note: str | None = None
    attempts: int = 0
    created_at: datetime = made_now()
    received_at: datetime = made_now()
    next_try_at: datetime | None = None
    applied_at: datetime | None = None
