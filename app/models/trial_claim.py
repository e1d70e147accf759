"""Who has had a trial."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class TrialClaim(Record, table=True):
    """That somebody took a trial of a tier; kept for as long as they get no second one.

    `subject`: a digest of the account's id, or of its mail address as all its spellings fold
    into one. It outlives the account, and says nothing of who that was.
    """

    __tablename__ = "TrialClaim"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    subject: str = Field(primary_key=True)
    tier: str = Field(primary_key=True)
    taken_at: datetime
