"""A mail about billing that was, or is to be, sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import OUR_SCHEMA, Record, json_value, made_now, references


class BillingNotice(Record, table=True):
    """What the customer is told of one occasion, once. `details` fill the mail's template."""

    __tablename__ = "BillingNotice"
    __table_args__ = (UniqueConstraint("userId", "occasion"), {"schema": OUR_SCHEMA})

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = references("User")
    occasion: str
    kind: str
    details: dict[str, Any] | None = json_value()
    created_at: datetime = made_now()
