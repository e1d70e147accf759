"""The columns that both logs of calls share."""

from datetime import datetime
from typing import Any

from sqlmodel import Field

from app.core.ids import new_call_id
from app.models.record import Record, json_value, made_now


class CallColumns(Record):
    """One answered call: what was asked, what came back, how long it took, what it cost.

    `endpoint` is the route's template. `latency_ms` is whole milliseconds. `units` and
    `owner_id` (the account's user) are our additions: another program's rows have 0 and null.
    """

    id: str = Field(default_factory=new_call_id, primary_key=True)
    endpoint: str
    method: str
    status_code: int
    latency_ms: int
    request_body: Any = json_value()
    response_body: Any = json_value()
    created_at: datetime = made_now()
    units: int = 0
    owner_id: str | None = None
