"""Events and test clocks."""

from app.sandbox.document import Json, new_object_id

API_VERSION = "2026-10-28.endive"
"""The version whose shapes these are; the pinned `stripe` package's."""

_CLOCK_DAYS = 30


def event(kind: str, data: Json, *, now: int, request: Json) -> Json:
    """That something happened to the object in `data`."""
    return {
        "id": new_object_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": request,
        "type": kind,
    }


def test_clock(frozen_time: int, *, name: str | None, created: int) -> Json:
    """A clock that stands still until it is advanced."""
    return {
        "id": new_object_id("clock"),
        "object": "test_helpers.test_clock",
        "created": created,
        "deletes_after": created + _CLOCK_DAYS * 86_400,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
