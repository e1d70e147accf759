"""What we know about a live key beyond the document's columns."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, references, text_list


class ApiKeyDetail(Record, table=True):
    """What is shown of a key, and what narrows it. A key that others inserted has none.

    `rotated_from_id` names the key that this one replaces; `grace_ends_at` is on the old
    key: the moment it stops working. `trial_key_id` names the trial's key that became this one.
    """

    __tablename__ = "ApiKeyDetail"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = references("ApiKeyMetadata", primary_key=True)
    start: str
    expires_at: datetime | None = None
    allowed_ips: list[str] | None = text_list()
    rotated_from_id: str | None = None
    grace_ends_at: datetime | None = None
    trial_key_id: str | None = None
