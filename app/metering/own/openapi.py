"""Latchkey's own routes in OpenAPI 3.1, to be merged with what the metered API says of itself."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.core.errors import PROBLEM_CONTENT_TYPE, InvalidRequest, LatchkeyError, problem_of
from app.core.problem_schema import REFERENCE, problem_schemas
from app.core.strict_json import MalformedJson, UnsupportedMediaType
from app.keys.reports import MOST_AT_ONCE, TooManyReports
from app.metering import openapi_answers, problems
from app.metering.own import exposed, report, verify
from app.metering.own.paths import CALLS, EXPOSED, KEY, USAGE, VERIFY
from app.metering.own.schemas import (
    CallsAnswer,
    CallsQuestion,
    CompletedCall,
    ExposedKey,
    FinishedCall,
    KeyAnswer,
    ReportTaken,
    UsageAnswer,
    Verdict,
    VerifyQuestion,
)

_ID = "0190163d-8694-739b-aea5-966c26f8ad91"
_KEY_ID = "h7d2k4m9q1w3e5r8t0y6u2i4"
SECURITY_SCHEMES: dict[str, Any] = {
    **openapi_answers.SECURITY_SCHEMES,
    "rootKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A root key, from `python -m app keys root`. For services only.",
    },
    "rootKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A root key, in a header of its own.",
    },
}
_CUSTOMERS = openapi_answers.SECURITY
_SERVICES: list[dict[str, list[str]]] = [{"rootKey": []}, {"rootKeyHeader": []}]

_ANY = (
    problems.KeyInUrl(),
    problems.ConflictingKeys(),
    problems.MissingKey(),
    problems.InvalidKey(),
    problems.InternalError(),
    problems.RecordingUnavailable(),
)
_OF_CUSTOMERS: tuple[LatchkeyError, ...] = (
    *_ANY,
    problems.RevokedKey(),
    problems.ExpiredKey(),
    problems.TrialEnded(),
    problems.PaymentRequired(),
    problems.KeyPendingVerification(),
    problems.IpNotAllowed(),
    problems.AccountSuspended(),
    problems.MethodNotAllowed("GET, HEAD"),
    problems.RateLimited(1),
)
_OF_SERVICES: tuple[LatchkeyError, ...] = (
    *_ANY,
    MalformedJson(),
    problems.MethodNotAllowed("POST"),
    UnsupportedMediaType(),
    InvalidRequest(fields={"units": "Input should be a valid integer."}),
)
_OF_ANYBODY: tuple[LatchkeyError, ...] = (
    problems.KeyInUrl(),
    MalformedJson(),
    problems.MethodNotAllowed("POST"),
    problems.BodyTooLarge(exposed.BODY_BYTES),
    UnsupportedMediaType(),
    InvalidRequest(fields={"key": "Field required."}),
    TooManyReports(720),
    problems.InternalError(),
    problems.RecordingUnavailable(),
)
_QUESTIONS = (VerifyQuestion, CallsQuestion, CompletedCall, FinishedCall, ExposedKey)
_ANSWERS = (Verdict, CallsAnswer, UsageAnswer, KeyAnswer, ReportTaken)
_VERIFY_EXAMPLE = {"key": "lk_live_…", "endpoint": "/things/{id}", "method": "GET", "units": 1}
_EXPOSED_EXAMPLE = {"key": "lk_live_…", "url": "https://example.com/notes.txt", "source": "a paste"}
_CALLS_EXAMPLE = {
    "calls": [
        {"call_id": _ID, "status": 200, "latency_ms": 38},
        {
            "id": "0190163d-8694-739b-aea5-966c26f8ad92",
            "key_id": _KEY_ID,
            "endpoint": "/things/{id}",
            "method": "GET",
            "status": 200,
            "latency_ms": 41,
        },
    ]
}


def own_openapi() -> dict[str, Any]:
    """The document: paths, schemas, security schemes and every problem that may be answered."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Latchkey", "version": "1"},
        "paths": {
            USAGE: {"get": _usage()},
            KEY: {"get": _key()},
            VERIFY: {"post": _verify()},
            EXPOSED: {"post": _exposed()},
            CALLS: {"post": _calls()},
        },
        "components": {"schemas": _schemas(), "securitySchemes": SECURITY_SCHEMES},
    }


def _usage() -> dict[str, Any]:
    return {
        "operationId": "usage",
        "tags": ["latchkey"],
        "summary": "Your quota, and what you have used of it",
        "description": "Costs nothing and is not recorded, but counts for the requests a second.",
        "security": _CUSTOMERS,
        "responses": _responses(UsageAnswer, _OF_CUSTOMERS),
        "x-latchkey": {"units": 0},
    }


def _key() -> dict[str, Any]:
    return {
        "operationId": "key",
        "tags": ["latchkey"],
        "summary": "The key that you call with",
        "description": "Costs nothing and is not recorded, but counts for the requests a second.",
        "security": _CUSTOMERS,
        "responses": _responses(KeyAnswer, _OF_CUSTOMERS),
        "x-latchkey": {"units": 0},
    }


def _verify() -> dict[str, Any]:
    too_large = problems.BodyTooLarge(verify.BODY_BYTES)
    return {
        "operationId": "verifyKey",
        "tags": ["services"],
        "summary": "May this key make this call?",
        "description": (
            "For a service that answers the call itself. A call that may be made is charged and "
            "recorded with status 0 until `POST /api/v1/calls` completes it. A refusal is an "
            "answer with status 200 too; that of a genuine key is recorded."
        ),
        "security": _SERVICES,
        "requestBody": _body(VerifyQuestion, _VERIFY_EXAMPLE),
        "responses": _responses(Verdict, (*_OF_SERVICES, too_large)),
        "x-latchkey": {"units": 0},
    }


def _calls() -> dict[str, Any]:
    too_large = problems.BodyTooLarge(report.BODY_BYTES)
    return {
        "operationId": "reportCalls",
        "tags": ["services"],
        "summary": "Report finished calls, up to 1,000",
        "description": (
            "With `call_id`, a call that was verified is completed; from status 400 on its units "
            "are given back. Without it, a whole call is recorded at the time of its `id`, a "
            "UUIDv7 of the last 7 days. Sending anything twice changes nothing. Each call "
            "succeeds or fails for itself."
        ),
        "security": _SERVICES,
        "requestBody": _body(CallsQuestion, _CALLS_EXAMPLE),
        "responses": _responses(
            CallsAnswer, (*_OF_SERVICES, too_large, problems.ReportUnconfirmed())
        ),
        "x-latchkey": {"units": 0},
    }


def _exposed() -> dict[str, Any]:
    one = {"$ref": REFERENCE.format(model=ExposedKey.__name__)}
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_AT_ONCE}
    content = {"schema": {"oneOf": [one, several]}, "example": _EXPOSED_EXAMPLE}
    return {
        "operationId": "reportExposedKeys",
        "tags": ["latchkey"],
        "summary": "Say that a key is exposed, or up to 100",
        "description": (
            "For whoever finds a key where others can read it; no key of one's own is needed. A "
            "genuine key ends, at once or within a day, and its owner is told. The answer is the "
            "same whatever was found."
        ),
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": _responses(ReportTaken, _OF_ANYBODY),
        "x-latchkey": {"units": 0},
    }


def _body(model: type[BaseModel], example: object) -> dict[str, Any]:
    content = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _responses(model: type[BaseModel], errors: Iterable[LatchkeyError]) -> dict[str, Any]:
    by_status: dict[int, list[LatchkeyError]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    answered = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}
    good = {"description": "The answer.", "content": {"application/json": answered}}
    bad = {str(status): _problem(status, same) for status, same in sorted(by_status.items())}
    return {"200": good, **bad}


def _problem(status: int, errors: list[LatchkeyError]) -> dict[str, Any]:
    codes = ", ".join(dict.fromkeys(f"`{error.code}`" for error in errors))
    content = {
        "schema": {"$ref": REFERENCE.format(model="Problem")},
        "examples": {error.code: {"value": json.loads(problem_of(error, _ID))} for error in errors},
    }
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "content": {PROBLEM_CONTENT_TYPE: content},
    }


def _schemas() -> dict[str, Any]:
    _, questions = models_json_schema(
        [(model, "validation") for model in _QUESTIONS], ref_template=REFERENCE
    )
    _, answers = models_json_schema(
        [(model, "serialization") for model in _ANSWERS], ref_template=REFERENCE
    )
    schemas: dict[str, Any] = {**questions["$defs"], **answers["$defs"], **problem_schemas()}
    either = [{"$ref": REFERENCE.format(model=model.__name__)} for model in _QUESTIONS[2:]]
    # Read one by one, so that one that is wrong fails alone; here is what they should be.
    schemas[CallsQuestion.__name__]["properties"]["calls"]["items"] = {
        "anyOf": [*either, {"description": "Anything else fails alone, and is told why."}]
    }
    return schemas
