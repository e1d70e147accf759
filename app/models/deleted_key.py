"""A key that is no more."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class DeletedKey(Record, table=True):
    """Whose a deleted live or trial key was: `scope_id` is a user's or a workspace's id.

    Its calls went with it, and what it used stays used: so the counters of that account may
    say more than its log. Written by a trigger, whoever deletes; a sweep follows the owner.
    """

    __tablename__ = "DeletedKey"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = Field(primary_key=True)
    scope_id: str
    deleted_at: datetime
