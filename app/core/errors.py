"""Expected failures, and their one written form: RFC 9457 problem details."""

import json
from collections.abc import Mapping
from typing import Any

PROBLEM_CONTENT_TYPE = "application/problem+json"


class LatchkeyError(Exception):
    """An expected failure: a stable `code`, an HTTP `status`, and words for the reader.

    Subclasses give `status`, `code` and `title`; `detail` says what happened and what to
    do now, and never repeats the caller's input.
    """

    status: int = 400
    code: str = "bad_request"
    title: str = "Bad request"
    default_detail: str = "The request could not be understood."

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None):
        self.detail = detail or self.default_detail
        self.headers = dict(headers or {})
        super().__init__(self.detail)


class NotFound(LatchkeyError):
    """There is no such thing, or it is not the caller's."""

    status = 404
    code = "not_found"
    title = "Not found"
    default_detail = "There is nothing at this address. Check the path and the id."


class InvalidRequest(LatchkeyError):
    """A field is missing or wrong; `fields` says which and why."""

    status = 422
    code = "invalid_request"
    title = "Invalid request"
    default_detail = "Some fields are missing or wrong. See `errors` for which and why."

    def __init__(self, detail: str | None = None, *, fields: Mapping[str, str] | None = None):
        super().__init__(detail)
        self.fields = dict(fields or {})


def problem_body(
    *, status: int, code: str, title: str, detail: str, request_id: str, **extra: Any
) -> bytes:
    """Problem details as JSON bytes: `type`, `title`, `status`, `detail`, `code`, `request_id`."""
    problem = {
        "type": f"/docs/errors#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        **extra,
    }
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()


def problem_of(error: LatchkeyError, request_id: str) -> bytes:
    """The problem details of an expected failure, as JSON bytes."""
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidRequest) and error.fields:
        extra["errors"] = [
            {"field": field, "detail": detail} for field, detail in error.fields.items()
        ]
    return problem_body(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        request_id=request_id,
        **extra,
    )
