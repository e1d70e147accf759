"""When a key was last used."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class KeyLastUse(Record, table=True):
    """When a live or trial key was last used.

    Apart from the keys' own tables: writing it must wake nobody who watches those. No
    foreign key either, so that writing takes no lock on the key; a sweep follows deletion.
    """

    __tablename__ = "KeyLastUse"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    key_id: str = Field(primary_key=True)
    last_used_at: datetime
