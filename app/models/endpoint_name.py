"""What services elsewhere call their routes."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record, made_now


class EndpointName(Record, table=True):
    """A name that calls of services elsewhere may have in the log; there are 199 at most."""

    __tablename__ = "EndpointName"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    name: str = Field(primary_key=True)
    created_at: datetime = made_now()
