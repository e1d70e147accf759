"""A key that was seen where no key may be."""

from datetime import date, datetime

from sqlmodel import BigInteger, Field

from app.models.record import OUR_SCHEMA, Record


class KeyLeak(Record, table=True):
    """A genuine live or trial key was in the URL of a request, so it is in logs and histories.

    `times` and `last_seen_at` follow within a minute. `told_on`: the UTC day of the sighting
    that its owner was last mailed about; null when never. No foreign key: a sweep follows.
    """

    __tablename__ = "KeyLeak"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = Field(primary_key=True)
    first_seen_at: datetime
    last_seen_at: datetime
    times: int = Field(sa_type=BigInteger)
    told_on: date | None = None
