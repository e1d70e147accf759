"""What we know about a trial key beyond the document's columns."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, references, text_list


class TrialApiKeyDetail(Record, table=True):
    """What is shown of a trial key, and what narrows it."""

    __tablename__ = "TrialApiKeyDetail"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = references("TrialApiKey", primary_key=True)
    start: str
    expires_at: datetime | None = None
    allowed_ips: list[str] | None = text_list()
