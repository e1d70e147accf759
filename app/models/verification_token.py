"""A verification token of the document's sign-in library."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import Record


class VerificationToken(Record, table=True):
    """A token that another program sent to an address. We keep the table; our links are ours.

    The table has no primary key; the token, being unique, stands in for the mapper.
    """

    __tablename__ = "VerificationToken"

    identifier: str
    token: str = Field(primary_key=True)
    expires: datetime
