"""What an account or a trial has used in one period."""

from datetime import datetime

from sqlmodel import BigInteger, Field, SmallInteger

from app.models.record import OUR_SCHEMA, Record


class UsagePeriod(Record, table=True):
    """Units and calls of a scope (a user's or a workspace's id) in the period from `starts_at`.

    The total is the sum over `slot`: nodes count in different ones, so as not to wait for each
    other, and `latchkey.fold_usage` in -1. `latchkey.period_used` also knows what that has yet to
    add. No foreign key: a sweep follows deletion.
    """

    __tablename__ = "UsagePeriod"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    scope_id: str = Field(primary_key=True)
    starts_at: datetime = Field(primary_key=True)
    slot: int = Field(primary_key=True, sa_type=SmallInteger)
    units: int = Field(sa_type=BigInteger)
    calls: int = Field(sa_type=BigInteger)
