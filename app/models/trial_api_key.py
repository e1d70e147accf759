"""A key of a trial."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, made_now, references


class TrialApiKey(Record, table=True):
    """A trial's key: never the key itself, only its SHA-256 in hex.

    `status`: `active` → `revoked`, or `converted`.
    """

    __tablename__ = "TrialApiKey"

    id: str = Field(default_factory=new_id, primary_key=True)
    workspace_id: str = references("TrialWorkspace")
    key_hash: str = Field(unique=True)
    label: str | None = None
    status: str = "active"
    created_at: datetime = made_now()
    revoked_at: datetime | None = None
