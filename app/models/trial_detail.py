"""What we know of a trial beyond the document's columns."""

from datetime import datetime

from app.models.record import OUR_SCHEMA, Record, references


class TrialDetail(Record, table=True):
    """A side row of a trial, there once it is needed.

    `wished_at`: when its owner last asked to convert it and had no plan yet.
    """

    __tablename__ = "TrialDetail"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    workspace_id: str = references("TrialWorkspace", primary_key=True)
    wished_at: datetime | None = None
