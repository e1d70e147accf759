"""A trial."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import Record, made_now, references


class TrialWorkspace(Record, table=True):
    """A trial of the API, which holds its own quota and keys.

    `status`: `active`, `expired`, `converted`, `cancelled`. `tier`: `standard`, `enterprise`.
    """

    __tablename__ = "TrialWorkspace"

    id: str = Field(default_factory=new_id, primary_key=True)
    name: str
    slug: str = Field(unique=True)
    tier: str = "standard"
    status: str = "active"
    created_at: datetime = made_now()
    expires_at: datetime
    converted_at: datetime | None = None
    cancelled_at: datetime | None = None
    owner_id: str = references("User")
