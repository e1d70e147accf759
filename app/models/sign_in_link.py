"""A request for a sign-in link."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import OUR_SCHEMA, Record, made_now


class SignInLink(Record, table=True):
    """A request for a sign-in link, bound to the browser that asked.

    The mail job makes the token when it sends: until then `token_hash` is null. Only the
    token's digest is kept; `VerificationToken` has it too, with its expiry.
    """

    __tablename__ = "SignInLink"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    id: str = Field(default_factory=new_id, primary_key=True)
    email: str
    name: str | None = None
    company: str | None = None
    next: str | None = None
    browser_hash: str
    token_hash: str | None = Field(default=None, unique=True)
    created_at: datetime = made_now()
