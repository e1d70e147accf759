"""What a request is called in the log, and what it costs."""

import pytest

from app.metering.routes import MOST_NAMES, OTHER, Route, Routes

OPENAPI = {
    "paths": {
        "/api/v1/screen": {"post": {"x-latchkey": {"units": 3, "sensitive": ["name"]}}},
        "/api/v1/lists": {"get": {"x-latchkey": {"units": 0}}, "parameters": []},
        "/api/v1/things/mine": {"get": {}},
        "/api/v1/things/{id}": {"get": {"x-latchkey": {"units": 2}}, "delete": {}},
        "/api/v1/{kind}/{id}": {"get": {}},
        "/api/v1/files/{name}.json": {"get": {}},
    }
}


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/api/v1/screen", Route("/api/v1/screen", 3, frozenset({"name"}))),
        ("GET", "/api/v1/lists", Route("/api/v1/lists", 0)),
        ("HEAD", "/api/v1/lists", Route("/api/v1/lists", 0)),
        ("PUT", "/api/v1/lists", Route("/api/v1/lists", 1)),
        ("GET", "/api/v1/things/mine", Route("/api/v1/things/mine", 1)),
        ("GET", "/api/v1/things/7", Route("/api/v1/things/{id}", 2)),
        ("DELETE", "/api/v1/things/7", Route("/api/v1/things/{id}", 1)),
        ("GET", "/api/v1/people/7", Route("/api/v1/{kind}/{id}", 1)),
        ("GET", "/api/v1/files/a.json", Route("/api/v1/files/{name}.json", 1)),
        ("GET", "/api/v1/screen/", OTHER),
        ("GET", "/api/v1/things/7/parts", OTHER),
        ("GET", "/api/v1/things/", OTHER),
        ("GET", "/api/v1/screenXjson", OTHER),
        ("GET", "/", OTHER),
    ],
)
def test_route_is_found_by_method_and_path(method: str, path: str, route: Route) -> None:
    assert Routes(OPENAPI).find(path, method) == route


def test_app_that_describes_nothing_has_only_other_paths() -> None:
    assert Routes.of(object()).find("/api/v1/screen", "POST") == Route("(other)", 1)


def test_app_is_asked_for_its_description() -> None:
    class App:
        def openapi(self) -> object:
            return OPENAPI

    assert Routes.of(App()).find("/api/v1/screen", "POST").units == 3


def test_api_has_200_names_at_most_and_keeps_every_cost() -> None:
    dear = {"get": {"x-latchkey": {"units": 9, "sensitive": ["name"]}}}
    exact = {f"/api/v1/exact/{number}": dear for number in range(150)}
    wide = {f"/api/v1/wide/{number}/{{id}}": dear for number in range(150)}
    routes = Routes({"paths": {**exact, **wide}})
    paths = [*exact, *(path.replace("{id}", "7") for path in wide)]
    found = [routes.find(path, "GET") for path in paths]
    assert len({route.template for route in [*found, OTHER]}) == MOST_NAMES == 200
    assert found[198] == Route("/api/v1/wide/48/{id}", 9, frozenset({"name"}))
    assert found[199] == Route("(other)", 9, frozenset({"name"}))
    assert routes.find(paths[199], "POST") == OTHER


def test_199_paths_keep_their_names() -> None:
    routes = Routes({"paths": {f"/{number}": {"get": {}} for number in range(199)}})
    assert routes.find("/198", "GET").template == "/198"


@pytest.mark.parametrize("operation", [None, [], "x", {"x-latchkey": 3}, {"x-latchkey": ["a"]}])
def test_operation_that_is_no_object_is_refused_by_its_route(operation: object) -> None:
    with pytest.raises(ValueError, match="get /a"):
        Routes({"paths": {"/a": {"get": operation}}})


@pytest.mark.parametrize(
    "ours", [{"units": -1}, {"units": "1"}, {"units": True}, {"sensitive": "name"}]
)
def test_wrong_annotation_is_refused_by_its_route(ours: object) -> None:
    with pytest.raises(ValueError, match="post /a"):
        Routes({"paths": {"/a": {"post": {"x-latchkey": ours}}}})
