"""The OpenAPI document as the reference page shows it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from app.api.reference_schema import Field, Schemas
from app.core.errors import PROBLEM_CONTENT_TYPE
from app.metering.openapi_merge import Document
from app.metering.routes import METHODS

_JSON = "application/json"
_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Refusal:
    """A status that is no success, and the error codes that come with it."""

    status: str
    words: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Success:
    """A status with its answer: the fields, and an example as JSON ("" where there is none)."""

    status: str
    description: str
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True)
class Operation:
    """One operation, as its section on the page; `anchor` is unique there."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    price: str
    parameters: tuple[Field, ...]
    fields: tuple[Field, ...]
    curl: str
    successes: tuple[Success, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Reference:
    """The whole page."""

    title: str
    description: str
    server: str
    operations: tuple[Operation, ...]


def view_of(document: Document) -> Reference:
    """The page's contents."""
    schemas = Schemas(document)
    server = document["servers"][0]["url"]
    operations = [
        _operation(schemas, server, method, path, {**_shared(item), **operation})
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    info = document["info"]
    return Reference(info["title"], info.get("description", ""), server, tuple(operations))


def _shared(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a path says for all its operations."""
    return {"parameters": item["parameters"]} if "parameters" in item else {}


def _operation(
    schemas: Schemas, server: str, method: str, path: str, operation: Mapping[str, Any]
) -> Operation:
    parameters = [schemas.resolve(one) for one in operation.get("parameters", [])]
    body = schemas.resolve(operation.get("requestBody"))
    summary = operation.get("summary") or f"{method.upper()} {path}"
    return Operation(
        anchor=_NO_NAME.sub("-", f"{method} {path}".lower()).strip("-"),
        method=method.upper(),
        path=path,
        summary=summary,
        description=operation.get("description", ""),
        price=_price(operation),
        parameters=tuple(_parameter(schemas, one) for one in parameters),
        fields=tuple(schemas.fields(_json_content(body).get("schema"))),
        curl=_curl(schemas, server, method, path, parameters, body),
        successes=tuple(_successes(schemas, operation)),
        refusals=tuple(_refusals(schemas, operation)),
    )


def _price(operation: Mapping[str, Any]) -> str:
    units = (operation.get("x-latchkey") or {}).get("units")
    if units is None:
        return ""
    return {0: "Free", 1: "1 unit"}.get(units, f"{units} units")


def _parameter(schemas: Schemas, parameter: Mapping[str, Any]) -> Field:
    return Field(
        name=str(parameter.get("name", "")),
        kind=schemas.kind(parameter.get("schema", {})),
        is_required=bool(parameter.get("required")),
        description=schemas.description(parameter),
        where=str(parameter.get("in", "")),
    )


def _json_content(part: Mapping[str, Any]) -> Mapping[str, Any]:
    content = part.get("content") or {}
    found: Mapping[str, Any] = content.get(_JSON) or next(iter(content.values()), {})
    return found


def _example(schemas: Schemas, content: Mapping[str, Any]) -> str:
    """An example of this content, as JSON; "" where there is no content."""
    if not content:
        return ""
    schema = content.get("schema")
    named = [schemas.resolve(one).get("value") for one in content.get("examples", {}).values()]
    given = [content["example"]] if "example" in content else named
    value = given[0] if given else schemas.example(schema)
    return json.dumps(schemas.in_order(value, schema), ensure_ascii=False, indent=2)


def _curl(
    schemas: Schemas,
    server: str,
    method: str,
    path: str,
    parameters: list[Mapping[str, Any]],
    body: Mapping[str, Any],
) -> str:
    url, headers = server + path, ["Authorization: Bearer YOUR_KEY"]
    for one in parameters:
        value = str(one.get("example", schemas.example(one.get("schema"))))
        if one.get("in") == "path":
            url = url.replace(f"{{{one['name']}}}", quote(value, safe=""))
        elif one.get("required") and one.get("in") == "query":
            url += f"{'&' if '?' in url else '?'}{quote(one['name'])}={quote(value, safe='')}"
        elif one.get("required") and one.get("in") == "header":
            headers.append(f"{one['name']}: {value}")
    lines = ["curl " + ("" if method in {"get", "post"} else f"-X {method.upper()} ")]
    lines[0] += shlex.quote(url)
    data = []
    if content := _json_content(body):
        headers.append(f"Content-Type: {next(iter(body['content']))}")
        data = [f"-d {shlex.quote(_example(schemas, content))}"]
    elif method == "post":
        lines[0] = lines[0].replace("curl ", "curl -X POST ", 1)
    lines += [f'-H "{header}"' for header in headers] + data
    return " \\\n  ".join(lines)


def _successes(schemas: Schemas, operation: Mapping[str, Any]) -> Iterator[Success]:
    for status, response in _by_status(schemas, operation):
        if not _is_refusal(status):
            content = _json_content(response)
            fields = tuple(schemas.fields(content.get("schema")))
            description = str(response.get("description", ""))
            yield Success(status, description, fields, _example(schemas, content))


def _refusals(schemas: Schemas, operation: Mapping[str, Any]) -> Iterator[Refusal]:
    for status, response in _by_status(schemas, operation):
        if _is_refusal(status):
            content = (response.get("content") or {}).get(PROBLEM_CONTENT_TYPE, {})
            example = content.get("example", {}).get("code")
            codes = [example] if example else list(content.get("examples", {}))
            yield Refusal(status, _phrase(status), tuple(codes))


def _by_status(
    schemas: Schemas, operation: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for status, response in operation.get("responses", {}).items():
        yield str(status), schemas.resolve(response)


def _is_refusal(status: str) -> bool:
    return status[:1] in {"4", "5"} or status == "default"


def _phrase(status: str) -> str:
    try:
        return HTTPStatus(int(status)).phrase
    except ValueError:
        return ""
