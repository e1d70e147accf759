"""A recorded call with a live key."""

from app.models.call_columns import CallColumns
from app.models.record import references


class ApiCall(CallColumns, table=True):
    """A recorded call with a live key. Partitioned by ranges of `id`, a UUIDv7."""

    __tablename__ = "ApiCall"

    api_key_id: str = references("ApiKeyMetadata")
