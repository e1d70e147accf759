"""A sign-in by a provider that has come back."""

from datetime import datetime

from sqlmodel import Field

from app.models.record import OUR_SCHEMA, Record, made_now


class OAuthStateUse(Record, table=True):
    """That a `state` came back with its browser, which it may once. Only its digest is kept."""

    __tablename__ = "OAuthStateUse"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    state_hash: str = Field(primary_key=True)
    used_at: datetime = made_now()
