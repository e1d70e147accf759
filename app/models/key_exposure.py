"""A key that was reported as exposed."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record, made_now


class KeyExposure(Record, table=True):
    """Somebody has found this live or trial key, and reported it while it still worked.

    `place`: where, if that was said, in a form that no program makes a link of. `ends_at`: when
    the key stops working for it; not after `reported_at` if it was revoked. No foreign key: a
    sweep follows.
    """

    __tablename__ = "KeyExposure"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = Field(primary_key=True)
    place: str | None = None
    ends_at: datetime
    reported_at: datetime = made_now()
