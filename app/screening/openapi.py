"""The parts of the API's description that FastAPI does not write by itself."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from app.core.errors import PROBLEM_CONTENT_TYPE, InvalidRequest, LatchkeyError, problem_of
from app.core.problem_schema import REFERENCE, problem_schemas
from app.screening.examples import REQUEST_ID


def x_latchkey(*, units: int, sensitive: Sequence[str] = ()) -> dict[str, Any]:
    """What the meter reads of an operation: its price, and the body fields to mask."""
    return {"x-latchkey": {"units": units, "sensitive": list(sensitive)}}


def problem_responses(*errors: type[LatchkeyError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may fail so, each with an example."""
    return {error.status: _problem_response(error) for error in errors}


def _problem_response(error: type[LatchkeyError]) -> dict[str, Any]:
    raised = error()
    if isinstance(raised, InvalidRequest):
        raised = InvalidRequest(fields={"name": "Field required"})
    return {
        "description": f"{HTTPStatus(error.status).phrase}: `{error.code}`",
        "content": {
            PROBLEM_CONTENT_TYPE: {
                "schema": {"$ref": REFERENCE.format(model="Problem")},
                "example": json.loads(problem_of(raised, REQUEST_ID)),
            }
        },
    }


def add_problem_schema(document: dict[str, Any]) -> None:
    """Puts `Problem` among the document's schemas, once."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in problem_schemas().items():
        schemas.setdefault(name, schema)
