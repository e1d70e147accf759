"""A recorded call with a trial key."""

from app.models.call_columns import CallColumns
from app.models.record import OUR_SCHEMA, references


class TrialApiCall(CallColumns, table=True):
    """A recorded call with a trial key: the same columns, partitioned alike."""

    __tablename__ = "TrialApiCall"
    __table_args__ = {"schema": OUR_SCHEMA}  # noqa: RUF012  # SQLAlchemy reads a plain dict

    api_key_id: str = references("TrialApiKey")
