"""The meter made from the settings."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.core.settings import Settings
from app.metering.build import ApiUnusable, build_meter
from app.metering.meter import Meter
from app.metering.openapi_file import read_openapi
from tests.factories import make_key, make_user
from tests.metering.apps import OPENAPI, answering
from tests.metering.client import ask

UPSTREAM = "http://127.0.0.1:1/base"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("an_operators_api")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_meter_is_made_from_the_settings(module: ModuleType) -> None:
    module.api = answering()
    assert isinstance(build_meter(Settings(api_app="an_operators_api:api")), Meter)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_meter_made_from_the_settings_heeds_idempotency_keys(
    module: ModuleType, unit_of_work: Any, tmp_path: Path
) -> None:
    async with unit_of_work() as session:
        _, secret = await make_key(session, await make_user(session))
    module.api = answering()
    meter = build_meter(Settings(api_app="an_operators_api:api", var_dir=tmp_path))
    assert names_in(tmp_path) == []  # looking at the settings makes no key
    await meter.start()
    headers = [("Idempotency-Key", "order-1")]
    replies = [await ask(meter, key=secret, headers=headers) for _ in range(2)]
    await meter.stop()
    assert [reply.status for reply in replies] == [200, 200]
    assert module.api.calls == 1
    assert names_in(tmp_path) == ["secret_key"]


def test_root_keys_of_the_settings_open_the_routes_for_services(module: ModuleType) -> None:
    module.api = answering()
    made = build_meter(Settings(api_app="an_operators_api:api", root_keys="ab" * 32))
    assert made._own._report._root_keys == {b"\xab" * 32}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("an_operators_api", "must be like package.module:attribute"),
        (":api", "must be like package.module:attribute"),
        ("no_such_module_here:api", "cannot be imported .ModuleNotFoundError"),
        ("an_operators_api:nothing", "has no ASGI app called nothing"),
        ("an_operators_api:number", "has no ASGI app called number"),
        ("an_operators_api:wrong", "x-latchkey of get /a: units"),
    ],
)
def test_api_app_that_cannot_be_used_is_named_with_the_reason(
    module: ModuleType, name: str, words: str
) -> None:
    module.number = 7
    module.wrong = answering()
    module.wrong.openapi = lambda: {"paths": {"/a": {"get": {"x-latchkey": {"units": "x"}}}}}
    with pytest.raises(ApiUnusable, match=words) as caught:
        build_meter(Settings(api_app=name))
    assert f"API_APP={name}" in str(caught.value)


def described(folder: Path, text: str) -> Settings:
    path = folder / "openapi.json"
    path.write_text(text)
    return Settings(api_upstream=UPSTREAM, api_openapi=path)


def test_meter_stands_before_an_upstream(tmp_path: Path) -> None:
    assert isinstance(build_meter(Settings(api_upstream=UPSTREAM)), Meter)
    document = {"openapi": "3.1.0", **OPENAPI}
    assert isinstance(build_meter(described(tmp_path, json.dumps(document))), Meter)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("openapi: 3.1.0", "is not JSON .*convert a YAML file"),
        ("[]", "is no OpenAPI document: the document"),
        ("{}", "is no OpenAPI document: openapi: Field required"),
        ('{"openapi": "3.1.0", "paths": []}', "is no OpenAPI document: paths"),
        ('{"openapi": "3.1.0", "paths": {"/a": 3}}', "is no OpenAPI document: paths./a"),
        ('{"openapi": "3.1.0", "servers": {}}', "is no OpenAPI document: servers"),
        ('{"openapi": "3.1.0", "paths": {"/a": {"get": 3}}}', ": get /a"),
        (
            '{"openapi": "3.1.0", "paths": {"/a": {"get": {"x-latchkey": {"units": -1}}}}}',
            ": x-latchkey of get /a: units",
        ),
    ],
)
def test_openapi_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, text: str, words: str
) -> None:
    settings = described(tmp_path, text)
    with pytest.raises(ApiUnusable, match=words) as caught:
        build_meter(settings)
    assert f"API_OPENAPI={settings.api_openapi}" in str(caught.value)


def test_openapi_file_that_is_not_there_is_named() -> None:
    settings = Settings(api_upstream=UPSTREAM, api_openapi=Path("/nowhere.json"))
    with pytest.raises(ApiUnusable, match=r"API_OPENAPI=/nowhere.json cannot be read: No such"):
        build_meter(settings)


@pytest.mark.parametrize(
    ("servers", "path", "seen"),
    [
        ([], "/api/v1/a", "/api/v1/a"),
        ([], "/a", "/a"),
        ([{"url": "https://api.example.com/api/v1/"}], "/a", "/api/v1/a"),
        ([{"url": "/api/v1"}, {"url": "/else"}], "/a", "/api/v1/a"),
        ([{"url": "https://api.example.com/base"}], "/api/v1/a", "/api/v1/a"),
    ],
)
def test_paths_of_the_file_are_read_as_callers_see_them(
    servers: list[dict[str, str]], path: str, seen: str, tmp_path: Path
) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "servers": servers, "paths": {path: {}}}))
    assert list(read_openapi(file)["paths"]) == [seen]
