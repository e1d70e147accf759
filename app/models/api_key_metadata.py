"""A live API key."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, made_now, references


class ApiKeyMetadata(Record, table=True):
    """A live key: never the key itself, only its SHA-256 in hex.

    `status`: `pending_verification` → `active` → `revoked`.
    """

    __tablename__ = "ApiKeyMetadata"

    id: str = Field(default_factory=new_id, primary_key=True)
    user_id: str = references("User")
    key_hash: str = Field(unique=True)
    label: str | None = None
    status: str = "pending_verification"
    tier: str = "free"
    created_at: datetime = made_now()
    revoked_at: datetime | None = None
