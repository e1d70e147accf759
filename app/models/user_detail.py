"""What we know of a user beyond the document's columns."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, references


class UserDetail(Record, table=True):
    """A side row of `User`. `log_seen_at`: when a call was first looked at in the log.

    `suspended_at`: since when the account's keys are refused, null for most; why and by whom
    is for the operator.
    """

    __tablename__ = "UserDetail"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    user_id: str = references("User", primary_key=True)
    log_seen_at: datetime | None = None
    suspended_at: datetime | None = None
    suspension_reason: str | None = None
    suspended_by: str | None = None
