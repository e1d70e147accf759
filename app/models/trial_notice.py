"""A mail about a trial's end that was, or is to be, sent."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import OUR_SCHEMA, Record, made_now, references


class TrialNotice(Record, table=True):
    """What the owner is told of one end of a trial, once; an extension makes it another end."""

    __tablename__ = "TrialNotice"
    __table_args__ = (UniqueConstraint("workspaceId", "kind", "endsAt"), {"schema": OUR_SCHEMA})

    id: str = Field(default_factory=new_id, primary_key=True)
    workspace_id: str = references("TrialWorkspace")
    kind: str
    ends_at: datetime
    created_at: datetime = made_now()
