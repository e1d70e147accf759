"""What a key has used in one hour."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import BigInteger, Field, SmallInteger

from app.models.record import OUR_SCHEMA, Record


class UsageHour(Record, table=True):
    """Calls of a live or trial key in an hour, by route and class of status (2 for 2xx).

    Read it after `latchkey.fold_usage()`. `latency_ms` is the sum. `latency_counts` says how many
    calls lie in each of `latency_buckets`, in no order: bucket n, from 0, has the latencies in
    (2^((n-1)/4), 2^(n/4)] ms; the first also all below, 79, the last, also all above. A bucket's
    geometric middle, 2^((n-0.5)/4), is within 9.1 % of every latency between its bounds.
    """

    __tablename__ = "UsageHour"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = Field(primary_key=True)
    hour: datetime = Field(primary_key=True)
    endpoint: str = Field(primary_key=True)
    status_class: int = Field(primary_key=True, sa_type=SmallInteger)
    calls: int = Field(sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    latency_ms: int = Field(sa_type=BigInteger)
    latency_buckets: list[int] = Field(sa_type=ARRAY(SmallInteger))
    latency_counts: list[int] = Field(sa_type=ARRAY(BigInteger))
