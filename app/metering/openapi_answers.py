"""What the meter adds to every operation of the API: keys, headers, and its own refusals."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from app.core.errors import PROBLEM_CONTENT_TYPE, LatchkeyError, problem_of
from app.core.problem_schema import REFERENCE
from app.metering import problems

SECURITY_SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "Your API key: `Authorization: Bearer <key>`.",
    },
    "keyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "Your API key, in a header of its own.",
    },
}
SECURITY: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]
"""Either of them will do."""

REFUSALS: tuple[LatchkeyError, ...] = (
    problems.MalformedRequest(),
    problems.KeyInUrl(),
    problems.ConflictingKeys(),
    problems.MissingKey(),
    problems.InvalidKey(),
    problems.RevokedKey(),
    problems.ExpiredKey(),
    problems.TrialEnded(),
    problems.PaymentRequired(),
    problems.KeyPendingVerification(),
    problems.IpNotAllowed(),
    problems.AccountSuspended(),
    problems.RequestTooSlow(),
    problems.BodyTooLarge(1024 * 1024),
    problems.RateLimited(1),
    problems.QuotaExceeded(3600),
    problems.HeadersTooLarge(64 * 1024),
    problems.InternalError(),
    problems.RecordingUnavailable(),
    problems.TooManyConnections(),
)
"""What any operation may be answered by the meter itself, or by the server before it."""

POST_REFUSALS: tuple[LatchkeyError, ...] = (
    problems.IdempotencyConflict(),
    problems.IdempotencyInProgress(1),
    problems.InvalidIdempotencyKey(),
)
"""What a POST may be answered besides, for its `Idempotency-Key`."""

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of your own for this request. Sent again with it within 24 hours, the "
    "request is answered as the first time, is not done again and costs nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

UPSTREAM_REFUSALS: tuple[LatchkeyError, ...] = (
    problems.UpstreamError(),
    problems.UpstreamTimeout(),
)
"""What is answered as well where the API is a server elsewhere."""

_EXAMPLE_ID = "0190163d-8694-739b-aea5-966c26f8ad91"
_FIRST_REFUSAL = 400
_UNAUTHORIZED = 401
_WITH_WAIT = (409, 429, 503)


def _header(description: str, example: object, *, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        **_header("The call's id: what your log shows, and support asks for.", _EXAMPLE_ID),
        "required": True,
    },
    "X-Units": _header("What this call cost.", 1, kind="integer"),
    "X-Quota-Remaining": _header("Units left in this period.", 9_873, kind="integer"),
    "RateLimit-Policy": _header(
        "What your plan allows, as a structured field: `q` of each, in `w` seconds.",
        '"requests";q=10;w=1, "units";q=10000;w=2592000',
    ),
    "RateLimit": _header(
        "What is left of it: `r` of each; and the seconds until it is filled again, `t`.",
        '"requests";r=9;t=1, "units";r=9873;t=1209600',
    ),
    "X-Trial-Ends": _header("With the key of a trial: when it ends.", "2030-01-31T09:30:00Z"),
    "Retry-After": _header("Seconds to wait before the next try.", 1, kind="integer"),
    "WWW-Authenticate": {**_header("How to send a key.", "Bearer"), "required": True},
}
"""By name. Answers to an unknown key carry only the first and the last one."""

_ALWAYS = ("X-Request-Id",)
_TO_KNOWN_KEYS = ("X-Units", "X-Quota-Remaining", "RateLimit-Policy", "RateLimit")
_OURS = "latchkey.{name}"
"""What our components are called: no app has such names."""


def our_components(errors: Iterable[LatchkeyError], schema: str) -> dict[str, Any]:
    """The parts that every operation refers to: headers, security, a response of each status.

    `schema` is what the document calls the schema of problems.
    """
    by_status: dict[int, list[LatchkeyError]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        "headers": {_OURS.format(name=name): header for name, header in HEADERS.items()},
        "responses": {
            _OURS.format(name=status): _response(status, same, schema)
            for status, same in sorted(by_status.items())
        },
        "parameters": {_OURS.format(name=IDEMPOTENCY_KEY["name"]): IDEMPOTENCY_KEY},
        "securitySchemes": SECURITY_SCHEMES,
    }


def refusals_in(components: Mapping[str, Any]) -> dict[str, Any]:
    """Our responses among these components, by status."""
    prefix = _OURS.format(name="")
    named = components.get("responses", {})
    return {name[len(prefix) :]: one for name, one in named.items() if name.startswith(prefix)}


def key_reference() -> dict[str, str]:
    """Where our parameter of POSTs is."""
    return {"$ref": f"#/components/parameters/{_OURS.format(name=IDEMPOTENCY_KEY['name'])}"}


def refusal_reference(status: str) -> dict[str, str]:
    """Where our response of this status is."""
    return {"$ref": f"#/components/responses/{_OURS.format(name=status)}"}


def headers_of(status: str) -> dict[str, Any]:
    """The headers that answers of this status (`200`, `4XX`, `default`) carry."""
    digits = status.upper().replace("X", "0")
    number = int(digits) if digits.isdigit() else _FIRST_REFUSAL
    names = [*_ALWAYS, *_TO_KNOWN_KEYS, "X-Trial-Ends"]
    names += ["Retry-After"] if number in _WITH_WAIT else []
    names += ["WWW-Authenticate"] if number == _UNAUTHORIZED else []
    headers: dict[str, Any] = {
        name: {"$ref": f"#/components/headers/{_OURS.format(name=name)}"} for name in names
    }
    if number < _FIRST_REFUSAL:  # only a known key comes so far
        headers |= {name: {**HEADERS[name], "required": True} for name in _TO_KNOWN_KEYS}
    return headers


def _response(status: int, errors: list[LatchkeyError], schema: str) -> dict[str, Any]:
    codes = ", ".join(f"`{error.code}`" for error in errors)
    examples = {
        error.code: {"value": json.loads(problem_of(error, _EXAMPLE_ID))} for error in errors
    }
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "headers": headers_of(str(status)),
        "content": {
            PROBLEM_CONTENT_TYPE: {
                "schema": {"$ref": REFERENCE.format(model=schema)},
                "examples": examples,
            }
        },
    }
