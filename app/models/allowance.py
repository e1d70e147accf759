"""How much of a limit is used."""

from datetime import datetime

from sqlalchemy import DateTime
from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record


class Allowance(Record, table=True):
    """A bucket of which something is used, until `free_at`. Written by functions of the schema.

    Names of buckets hold no mail address, only its digest.
    """

    __tablename__ = "Allowance"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    bucket: str = Field(primary_key=True)
    free_at: datetime = Field(sa_type=DateTime(timezone=True))
