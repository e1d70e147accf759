"""`/api/openapi.json` and `/api/docs`, with the portal and without."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.api.http import make_http
from app.api.look import NAMES
from app.api.pages import render_page, with_code
from app.api.reference_schema import Field, Schemas
from app.api.reference_view import view_of
from app.core.assets import ASSETS
from app.metering.openapi_document import api_document
from app.ui.pages.error_code_list import ERROR_CODES


@pytest.fixture(params=[True, False], ids=["with portal", "without"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_http(with_portal=request.param))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/docs"])
async def test_reference_is_there_and_may_be_asked_for_its_head(
    client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(path)).status_code == 200
    assert (await client.head(path)).status_code == 200
    assert (await client.post(path)).status_code == 405


async def test_document_is_that_of_the_app_under_the_public_address(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert {"/api/v1/screen", "/api/v1/lists"} <= set(document["paths"])
    assert document["servers"] == [{"url": "http://localhost:8000"}]


async def test_page_loads_only_its_own_files_and_runs_nothing_inline(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "noindex" not in answer.text
    loaded = re.findall(r"""<(?:link|script|img)[^>]*(?:href|src)="([^"]+)""", answer.text)
    assert {address.partition("?")[0].lstrip("/") for address in loaded} == NAMES
    assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)
    assert not re.search(r"\son[a-z]+\s*=|\sstyle\s*=|javascript:", answer.text)


async def test_page_shows_each_operation_with_its_price_curl_and_errors(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/api/docs")).text
    assert page.count("<h1>") == page.count("<main") == 1
    assert "curl http://localhost:8000/api/v1/screen" in page
    assert "1 unit" in page
    assert "Free" in page
    linked = set(re.findall(r'href="/docs/errors/#([a-z_]+)"', page))
    assert {"malformed_json", "invalid_key", "quota_exceeded", "no_list_loaded"} <= linked
    assert linked <= {row.code for row in ERROR_CODES}


async def test_files_of_the_page_are_there_without_the_portal() -> None:
    transport = httpx.ASGITransport(make_http(with_portal=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        for name in NAMES:
            assert (await client.get(f"/{name}")).content == (ASSETS / name).read_bytes()
        fonts = re.findall(r'url\("(/fonts/[^"]+)"\)', (ASSETS / "latchkey.css").read_text())
        assert {(await client.get(font)).status_code for font in fonts} == {200}
        for path in ("/og.png", "/fonts/inter-OFL.txt", "/fonts/..%2flatchkey.css", "/nothing"):
            assert (await client.get(path)).status_code == 404


SCHEMAS: dict[str, Any] = {
    "Pet": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 9, "description": "Its name."},
            "kind": {"enum": ["cat", "dog"]},
            "age": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
            "friends": {"type": "array", "maxItems": 3, "items": {"$ref": "#/x/Pet"}},
        },
    }
}


def test_fields_are_told_with_those_within_them_and_recursion_ends() -> None:
    fields = list(Schemas({"x": SCHEMAS}).fields({"$ref": "#/x/Pet"}))
    assert fields[:4] == [
        Field("name", "string, 1 to 9 characters", True, "Its name."),
        Field("kind", '"cat", "dog"', False, ""),
        Field("age", "integer, at least 0 or null", False, ""),
        Field("friends", "list of object, at most 3 items", False, ""),
    ]
    assert fields[4].name == "friends[].name"
    assert max(field.name.count("friends[]") for field in fields) == 3


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string", "examples": ["a", "b"]}, "a"),
        ({"type": "string", "example": "c"}, "c"),
        ({"type": "integer", "default": 0}, 0),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 7}, 7),
        ({"type": ["boolean", "null"]}, True),
        ({"$ref": "#/x/Pet"}, {"name": "text"}),
        ({"type": "array", "items": {"type": "number"}}, [0.5]),
        ({"$ref": "#/nowhere"}, {}),
        ({"$ref": "#/x/Loop"}, {}),
    ],
)
def test_example_is_given_or_made_up(schema: dict[str, Any], example: Any) -> None:
    document = {"x": {**SCHEMAS, "Loop": {"$ref": "#/x/Loop"}}}
    assert Schemas(document).example(schema) == example


def test_example_has_the_schemas_order() -> None:
    ordered = Schemas({"x": SCHEMAS}).in_order(
        {"zoo": 1, "friends": [{"kind": "cat", "name": "b"}], "name": "a"}, {"$ref": "#/x/Pet"}
    )
    assert json.dumps(ordered) == json.dumps(
        {"name": "a", "friends": [{"name": "b", "kind": "cat"}], "zoo": 1}
    )


def view_of_operation(method: str, operation: dict[str, Any], path: str = "/api/v1/a/{id}") -> Any:
    document = {"paths": {path: {method: {"responses": {}, **operation}}}}
    return view_of(api_document(document, public_url="https://a.example")).operations[0]


def test_curl_fills_in_parameters_and_quotes_the_body() -> None:
    name = {"type": "object", "required": ["n"], "properties": {"n": {"example": "it's"}}}
    operation = view_of_operation(
        "put",
        {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "example": "a/b"},
                {"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}},
                {"name": "more", "in": "query", "schema": {"type": "integer"}},
                {"name": "X-Org", "in": "header", "required": True, "schema": {"type": "string"}},
            ],
            "requestBody": {"content": {"application/json": {"schema": name}}},
        },
    )
    assert operation.curl.splitlines()[0] == (
        "curl -X PUT 'https://a.example/api/v1/a/a%2Fb?page=1' \\"
    )
    assert '-H "X-Org: text"' in operation.curl
    assert "it'\"'\"'s" in operation.curl
    assert [field.where for field in operation.parameters] == ["path", "query", "query", "header"]


@pytest.mark.parametrize(("method", "shown"), [("get", "curl h"), ("post", "curl -X POST h")])
def test_curl_names_the_method_where_it_must(method: str, shown: str) -> None:
    assert view_of_operation(method, {}, "/api/v1/a").curl.startswith(shown)


def test_what_a_description_holds_is_escaped() -> None:
    evil = "<script>x</script> `<b>`"
    operation = {"summary": evil, "description": evil, "responses": {"200": {"description": evil}}}
    document = {"paths": {"/api/v1/<a>": {"get": operation}}, "info": {"title": evil}}
    view = view_of(api_document(document, public_url="https://a.example"))
    page = bytes(render_page("reference.html", api=view).body).decode()
    assert "<script>x" not in page
    assert "<b>" not in page
    assert with_code("a `b` c") == 'a <code class="code-inline">b</code> c'


def test_api_without_a_description_has_a_page_too() -> None:
    view = view_of(api_document({}, public_url="https://a.example"))
    page = bytes(render_page("reference.html", api=view).body).decode()
    assert "has no description" in page
