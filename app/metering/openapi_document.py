"""The OpenAPI document of the API as callers meet it: the app's own, and what the meter adds."""

from collections.abc import Mapping
from typing import Any

from app.core.errors import PROBLEM_CONTENT_TYPE
from app.core.problem_schema import Problem, problem_schemas
from app.metering.openapi_answers import (
    POST_REFUSALS,
    REFUSALS,
    SECURITY,
    UPSTREAM_REFUSALS,
    headers_of,
    key_reference,
    our_components,
    refusal_reference,
    refusals_in,
)
from app.metering.openapi_file import METERED
from app.metering.openapi_merge import Document, merge_documents
from app.metering.routes import DEFAULT_UNITS, METHODS

_UNNAMED = {"title": "API", "version": "1"}
_LISTED = "examples"
_ONLY_OF_POSTS = {str(one.status) for one in POST_REFUSALS} - {str(one.status) for one in REFUSALS}


def api_document(
    described: Mapping[str, Any],
    *own: Mapping[str, Any],
    public_url: str,
    has_upstream: bool = False,
) -> Document:
    """What `described` says of the API under `/api/v1/`, as metered, and then our `own` routes.

    The own documents are taken as they are: they say themselves who may call and what comes.
    """
    refusals = (*REFUSALS, *UPSTREAM_REFUSALS) if has_upstream else REFUSALS
    document = merge_documents(described, {"components": {"schemas": problem_schemas()}})
    ours = our_components((*refusals, *POST_REFUSALS), _problem_name(document))
    document = merge_documents(document, {"components": ours})
    document["paths"] = {
        path: _metered_path(item, document)
        for path, item in document["paths"].items()
        if path.startswith(METERED)
    }
    document.pop("security", None)
    for one in own:
        document = merge_documents(document, one)
    return {
        "openapi": document.pop("openapi"),
        "info": {**_UNNAMED, **document.pop("info", {})},
        **document,
        "servers": [{"url": public_url}],
    }


def _problem_name(document: Document) -> str:
    """What our schema of problems is called, beside one of the app's."""
    wanted = problem_schemas()[Problem.__name__]
    schemas: dict[str, Any] = document["components"]["schemas"]
    return next(name for name, schema in reversed(schemas.items()) if schema == wanted)


def _metered_path(item: Mapping[str, Any], document: Document) -> Document:
    """A path item as callers meet it: its servers are not where they call."""
    return {
        method: _metered(method, part, document) if method in METHODS else part
        for method, part in item.items()
        if method != "servers"
    }


def _metered(method: str, operation: Mapping[str, Any], document: Document) -> Document:
    """The operation with its price, who may call it, and every answer that it may get."""
    asked = operation.get("security", document.get("security")) or [{}]
    ours = refusals_in(document["components"])
    parameters = operation.get("parameters", [])
    if method == "post":
        parameters = [*parameters, key_reference()]
    else:
        ours = {status: one for status, one in ours.items() if status not in _ONLY_OF_POSTS}
    return {
        **{key: value for key, value in operation.items() if key != "servers"},
        **({"parameters": parameters} if parameters else {}),
        "security": [{**theirs, **key} for theirs in asked for key in SECURITY],
        "responses": _responses(operation.get("responses", {}), ours, document),
        "x-latchkey": {"units": DEFAULT_UNITS, **(operation.get("x-latchkey") or {})},
    }


def _responses(theirs: Mapping[str, Any], ours: Mapping[str, Any], document: Document) -> Document:
    """The app's responses with our headers, and ours."""
    responses: Document = {status: refusal_reference(status) for status in ours}
    for status, response in theirs.items():
        found = _resolved(response, document)
        if status in ours:
            found = _both(found, ours[status])
        responses[status] = {**found, "headers": {**found.get("headers", {}), **headers_of(status)}}
    return dict(sorted(responses.items()))


def _resolved(response: Mapping[str, Any], document: Document) -> Document:
    """The response itself where there is only a reference to it."""
    kind, _, name = str(response.get("$ref", "")).rpartition("/")
    if kind != "#/components/responses":
        return dict(response)
    return dict(document["components"]["responses"][name])


def _both(theirs: Document, ours: Document) -> Document:
    """One response for what the app answers with this status and what the meter does."""
    content = dict(theirs.get("content", {}))
    problem = ours["content"][PROBLEM_CONTENT_TYPE]
    known = content.get(PROBLEM_CONTENT_TYPE)
    if known is None:
        content[PROBLEM_CONTENT_TYPE] = problem
    elif known.get("schema") == problem["schema"]:
        examples = {**_examples(known), **problem[_LISTED]}
        content[PROBLEM_CONTENT_TYPE] = {"schema": problem["schema"], _LISTED: examples}
    else:
        either = {"anyOf": [known.get("schema", {}), problem["schema"]]}
        content[PROBLEM_CONTENT_TYPE] = {"schema": either, _LISTED: problem[_LISTED]}
    said, codes = theirs.get("description", ""), ours["description"].partition(": ")[2]
    return {**theirs, "description": f"{said}, {codes}" if said else codes, "content": content}


def _examples(content: Mapping[str, Any]) -> dict[str, Any]:
    """The examples of a problem by its code, whichever way they are given."""
    if "example" in content:
        return {str(content["example"].get("code", "example")): {"value": content["example"]}}
    return dict(content.get(_LISTED, {}))
