"""An account that its customer has asked us to erase."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import OUR_SCHEMA, Record


class Erasure(Record, table=True):
    """There from the wish on until nothing is left to be done; then the row goes too.

    `next_try_at`: when work on it is due; while somebody is at it, when that would have died.
    `told_at`: when the mail that says it has begun was handed on. `customer_gone_at`: since when
    Stripe has no customer of this account. `stripe_customer_id`: whom Stripe has yet to delete,
    after the account itself is gone. No foreign key, for that very case.
    """

    __tablename__ = "Erasure"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(unique=True)
    requested_at: datetime
    next_try_at: datetime
    attempts: int = 0
    told_at: datetime | None = None
    customer_gone_at: datetime | None = None
    stripe_customer_id: str | None = None
