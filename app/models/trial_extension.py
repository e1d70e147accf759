"""A trial that the operator made longer."""

from datetime import datetime

from sqlmodel import Field

from app.core.ids import new_id
from app.models.record import OUR_SCHEMA, Record, made_now, references


class TrialExtension(Record, table=True):
    """By how many days, why, and both ends: the one before (`ended_at`) and the new one."""

    __tablename__ = "TrialExtension"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    id: str = Field(default_factory=new_id, primary_key=True)
    workspace_id: str = references("TrialWorkspace")
    days: int
    reason: str
    ended_at: datetime
    ends_at: datetime
    created_at: datetime = made_now()
