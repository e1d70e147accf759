"""A paid plan."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, made_now, references, touched_now


class Subscription(Record, table=True):
    """A user's subscription at Stripe, at most one each. `status` is Stripe's word."""

    __tablename__ = "Subscription"

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = references("User", unique=True)
    stripe_customer_id: str = Field(unique=True)
    stripe_subscription_id: str | None = Field(default=None, unique=True)
    stripe_price_id: str | None = None
    status: str
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    created_at: datetime = made_now()
    updated_at: datetime = touched_now()
