"""Calls that are counted by the hour in a moment."""

from datetime import datetime

from sqlalchemy import Column, Identity
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlmodel import BigInteger, Field, Integer, Text

from app.models.record import OUR_SCHEMA, Record


class UsageDelta(Record, table=True):
    """The calls of one batch, as arrays, until `latchkey.fold_usage` adds them to the counters.

    Written in the transaction of the calls themselves, so no crash can part the two. A weight
    is how often a call counts: -1 takes back what was counted before; null is 1 for all.
    `scope_ids` and `starts_at` are the `UsagePeriod` that a call is still to be added to; null
    where it has been.
    """

    __tablename__ = "UsageDelta"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    key_ids: list[str] = Field(sa_type=ARRAY(Text))
    created_ms: list[int] = Field(sa_type=ARRAY(BigInteger))
    endpoints: list[str] = Field(sa_type=ARRAY(Text))
    statuses: list[int] = Field(sa_type=ARRAY(Integer))
    latencies: list[int] = Field(sa_type=ARRAY(Integer))
    units: list[int] = Field(sa_type=ARRAY(Integer))
    weights: list[int] | None = Field(default=None, sa_type=ARRAY(Integer), nullable=True)
    scope_ids: list[str | None] | None = Field(default=None, sa_type=ARRAY(Text), nullable=True)
    starts_at: list[datetime] | None = Field(
        default=None, sa_type=ARRAY(TIMESTAMP(precision=3)), nullable=True
    )
