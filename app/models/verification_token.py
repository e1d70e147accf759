"""A verification token of the document's sign-in library."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import Record


class VerificationToken(Record, table=True):
    """The digest of a token that was sent to an address: ours, or another program's own way.

    The table has no primary key; the token, being unique, stands in for the mapper.
    """

    __tablename__ = "VerificationToken"

    identifier: str
    token: str = Field(primary_key=True)
    expires: datetime
