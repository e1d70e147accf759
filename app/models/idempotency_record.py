"""Who has claimed an Idempotency-Key, and what was answered."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class IdempotencyRecord(Record, table=True):
    """One `Idempotency-Key` of one account, method and path, found by their digest.

    While the work runs, `expires_at` ends the claim of the call `call_id`; afterwards
    (`is_done`) it ends the time that the encrypted `answer` is kept. A done one without an
    answer was answered too, but the answer could not be kept.
    """

    __tablename__ = "IdempotencyRecord"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    call_id: str
    is_done: bool = False
    answer: str | None = None
    expires_at: datetime
