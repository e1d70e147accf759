"""What we know about a session beyond the document's columns."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, made_now, references


class SessionDetail(Record, table=True):
    """A session's device and when it was last seen; goes with its session."""

    __tablename__ = "SessionDetail"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    session_id: str = references("Session", primary_key=True)
    created_at: datetime = made_now()
    last_seen_at: datetime = made_now()
    user_agent: str | None = None
    ip_address: str | None = None
