"""The meter made from the settings."""

import sys
from types import ModuleType

import pytest

from app.core.settings import Settings
from app.metering.build import ApiUnusable, build_meter
from app.metering.meter import Meter
from tests.metering.apps import answering


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("an_operators_api")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_meter_is_made_from_the_settings(module: ModuleType) -> None:
    module.api = answering()
    assert isinstance(build_meter(Settings(api_app="an_operators_api:api")), Meter)


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
