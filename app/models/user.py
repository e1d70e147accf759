"""A customer's account."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, made_now, touched_now


class User(Record, table=True):
    """A person who signs in, and the account that owns keys, quota and trials.

    `email` is kept as it was typed first; who looks it up compares without case.
    """

    __tablename__ = "User"

    id: str = Field(default_factory=new_id, primary_key=True)
    name: str | None = None
    email: str = Field(unique=True)
    email_verified: datetime | None = None
    image: str | None = None
    company: str | None = None
    created_at: datetime = made_now()
    updated_at: datetime = touched_now()
