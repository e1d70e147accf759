"""The API's document as callers meet it: the app's own, what the meter adds, and our own routes."""

import copy
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from app.core.errors import InvalidRequest, LatchkeyError
from app.core.problem_schema import Problem
from app.metering import problems
from app.metering.openapi_answers import POST_REFUSALS, REFUSALS, UPSTREAM_REFUSALS
from app.metering.openapi_document import api_document
from app.metering.openapi_merge import merge_documents
from app.screening.api import api as screening

URL = "https://api.example.com"
NOT_OF_EVERY_CALL = {
    problems.ClientGone,  # sent to nobody
    problems.OutcomeUnknown,  # as RecordingUnavailable, in other words
    problems.TooManyBodies,  # likewise
    problems.MethodNotAllowed,  # not of a documented operation
    problems.AnswerNotKept,  # as IdempotencyConflict, in other words
    InvalidRequest,  # the app's to document
    # of our own routes, which describe themselves
    problems.ReportUnconfirmed,
    problems.UnknownCall,
    problems.IdConflict,
    problems.CallRefused,
}
"""Problems that no operation names as the meter's."""


def described(operation: dict[str, Any], **document: Any) -> dict[str, Any]:
    """A small app's document, with `GET /api/v1/things`."""
    whole = {"responses": {"200": {"description": "Things"}}, **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "7"},
        "paths": {"/api/v1/things": {"get": whole}},
        **document,
    }


def document_of(*documents: dict[str, Any], has_upstream: bool = False) -> dict[str, Any]:
    made = api_document(*documents, public_url=URL, has_upstream=has_upstream)
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(made)] == []
    assert list(dangling(made, made)) == []
    return made


def dangling(part: Any, document: dict[str, Any]) -> Any:
    """References that lead nowhere."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str):
            found: Any = document
            for step in reference.removeprefix("#/").split("/"):
                found = found.get(step) if isinstance(found, dict) else None
            if found is None:
                yield reference
        for inner in part.values():
            yield from dangling(inner, document)
    elif isinstance(part, list):
        for inner in part:
            yield from dangling(inner, document)


def operation_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/api/v1/things"]["get"]
    return found


def resolved(document: dict[str, Any], status: str) -> dict[str, Any]:
    response = operation_of(document)["responses"][status]
    name = response.get("$ref", "").rpartition("/")[2]
    return document["components"]["responses"][name] if name else response


def test_screening_is_described_as_it_is_metered() -> None:
    document = document_of(screening.openapi())
    assert document["servers"] == [{"url": URL}]
    operation = document["paths"]["/api/v1/screen"]["post"]
    assert operation["x-latchkey"]["units"] == 1
    assert operation["security"] == [{"key": []}, {"keyHeader": []}]
    assert {"200", "400", "401", "402", "403", "413", "415", "422", "429", "500", "503"} <= set(
        operation["responses"]
    )
    examples = operation["responses"]["400"]["content"]["application/problem+json"]["examples"]
    assert {"malformed_json", "key_in_url", "conflicting_keys"} <= set(examples)
    assert set(document["components"]["schemas"]) >= {"Problem", "ScreenRequest"}


def test_the_apps_own_document_is_left_as_it_was() -> None:
    before = copy.deepcopy(screening.openapi())
    document_of(screening.openapi())
    assert screening.openapi() == before


def test_answers_carry_what_the_meter_adds() -> None:
    document = document_of(described({}))
    headers = operation_of(document)["responses"]["200"]["headers"]
    always = {"X-Units", "X-Quota-Remaining", "RateLimit", "RateLimit-Policy"}
    assert {name for name in headers if headers[name].get("required")} == always
    assert set(headers) == always | {"X-Request-Id", "X-Trial-Ends"}
    assert "Retry-After" in resolved(document, "429")["headers"]
    assert "WWW-Authenticate" in resolved(document, "401")["headers"]


def test_every_refusal_is_described_with_its_example() -> None:
    document = document_of(described({}))
    for error in REFUSALS:
        content = resolved(document, str(error.status))["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        example = content["examples"][error.code]["value"]
        Problem.model_validate(example)
        assert example["detail"] == error.detail


def test_every_problem_of_the_meter_is_in_the_document_or_has_a_reason_not_to() -> None:
    named = {
        type(error) for error in (*REFUSALS, *POST_REFUSALS, *UPSTREAM_REFUSALS)
    } | NOT_OF_EVERY_CALL
    every = {
        found
        for found in vars(problems).values()
        if isinstance(found, type)
        and issubclass(found, LatchkeyError)
        and found is not LatchkeyError
    }
    assert every == named


@pytest.mark.parametrize("has_upstream", [True, False])
def test_failures_of_an_upstream_are_described_where_there_is_one(has_upstream: bool) -> None:
    responses = operation_of(document_of(described({}), has_upstream=has_upstream))["responses"]
    assert ({"502", "504"} <= set(responses)) is has_upstream


def test_an_api_without_a_description_has_an_empty_document() -> None:
    document = document_of({})
    assert document["paths"] == {}
    assert document["info"] == {"title": "API", "version": "1"}


def test_paths_that_nobody_can_reach_and_servers_that_nobody_calls_are_left_out() -> None:
    given = described({"servers": [{"url": "http://inside"}]}, servers=[{"url": "http://inside"}])
    given["paths"]["/admin"] = {"get": {"responses": {"200": {"description": "No"}}}}
    document = document_of(given)
    assert set(document["paths"]) == {"/api/v1/things"}
    assert "http://inside" not in str(document)


def test_units_are_one_where_the_api_does_not_say() -> None:
    assert operation_of(document_of(described({})))["x-latchkey"] == {"units": 1}
    said = described({"x-latchkey": {"units": 5}})
    assert operation_of(document_of(said))["x-latchkey"] == {"units": 5}


def test_what_the_app_asks_for_itself_is_asked_for_beside_the_key() -> None:
    schemes = {"securitySchemes": {"pin": {"type": "apiKey", "in": "header", "name": "X-Pin"}}}
    document = document_of(described({}, components=schemes, security=[{"pin": []}]))
    assert operation_of(document)["security"] == [
        {"pin": [], "key": []},
        {"pin": [], "keyHeader": []},
    ]
    assert set(document["components"]["securitySchemes"]) == {"pin", "key", "keyHeader"}


def test_the_apps_own_answer_of_a_status_stands_beside_ours() -> None:
    html = {"description": "Sorry", "content": {"text/html": {"schema": {"type": "string"}}}}
    components = {"responses": {"Sorry": html}}
    given = described(
        {
            "responses": {
                "200": {"description": "Things"},
                "403": {"$ref": "#/components/responses/Sorry"},
            }
        },
        components=components,
    )
    response = operation_of(document_of(given))["responses"]["403"]
    assert set(response["content"]) == {"text/html", "application/problem+json"}
    assert response["description"].startswith("Sorry, `key_pending_verification`")


def test_a_problem_of_the_apps_own_form_stands_beside_ours() -> None:
    own = {"type": "object", "properties": {"oops": {"type": "string"}}}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    given = described(
        {
            "responses": {
                "200": {"description": "Things"},
                "400": {"description": "Bad", "content": content},
            }
        },
        components={"schemas": {"Problem": own}},
    )
    document = document_of(given)
    assert document["components"]["schemas"]["Problem"] == own
    schema = operation_of(document)["responses"]["400"]["content"]["application/problem+json"][
        "schema"
    ]
    assert schema == {
        "anyOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"$ref": "#/components/schemas/LatchkeyProblem"},
        ]
    }
    assert document["components"]["schemas"]["LatchkeyProblem"]["title"] == "Problem"


def test_our_own_routes_are_added_and_win() -> None:
    own = described({"summary": "Ours", "security": [{"rootKey": []}]})
    own["components"] = {
        "securitySchemes": {
            name: {"type": "http", "scheme": "bearer", "description": "In other words."}
            for name in ("rootKey", "key")
        },
        "schemas": {"Answer": {"type": "integer"}},
    }
    own["paths"]["/api/v1/key"] = {
        "get": {
            "responses": {
                "200": {
                    "description": "Key",
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}
                    },
                }
            }
        }
    }
    app = described({"summary": "Theirs"}, components={"schemas": {"Answer": {"type": "string"}}})
    document = document_of(app, own)
    assert operation_of(document)["summary"] == "Ours"
    assert operation_of(document)["security"] == [{"rootKey": []}]
    assert set(document["components"]["securitySchemes"]) == {"key", "keyHeader", "rootKey"}
    answer = document["paths"]["/api/v1/key"]["get"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/LatchkeyAnswer"}
    assert document["components"]["schemas"]["LatchkeyAnswer"] == {"type": "integer"}
    assert document["info"]["title"] == "Things"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "nullable": True, "enum": ["a"]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"allOf": [{"type": "integer"}], "nullable": True},
            {"anyOf": [{"allOf": [{"type": "integer"}]}, {"type": "null"}]},
        ),
        (
            {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
            {"type": "integer", "exclusiveMinimum": 3},
        ),
        (
            {"type": "integer", "maximum": 3, "exclusiveMaximum": False},
            {"type": "integer", "maximum": 3},
        ),
        (
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
        ),
    ],
)
def test_schemas_of_openapi_3_0_become_those_of_3_1(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    given = described({}, openapi="3.0.3", components={"schemas": {"Thing": before}})
    document = document_of(given)
    assert document["openapi"] == "3.1.0"
    assert document["components"]["schemas"]["Thing"] == after


def test_the_same_component_in_both_documents_is_one() -> None:
    schema = {"components": {"schemas": {"Same": {"type": "string"}}}}
    merged = merge_documents({"openapi": "3.1.1", **schema}, schema)
    assert merged["components"] == schema["components"]
    assert merged["openapi"] == "3.1.1"


def test_only_posts_take_an_idempotency_key() -> None:
    app = described({})
    app["paths"]["/api/v1/things"]["post"] = {"responses": {"200": {"description": "Made"}}}
    things = document_of(app)["paths"]["/api/v1/things"]
    assert "parameters" not in things["get"]
    assert "409" not in things["get"]["responses"]
    assert things["post"]["parameters"] == [
        {"$ref": "#/components/parameters/latchkey.Idempotency-Key"}
    ]
    assert {"409", "422"} <= set(things["post"]["responses"])
