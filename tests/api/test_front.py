"""The outermost callable: who gets a request, and in what order things start and stop."""

from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from app.api.front import Front
from app.core.errors import LatchkeyError


class Recorder:
    """An ASGI app that notes what it was given."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)


async def receiver_of(scope_type, path):
    meter, rest = Recorder(), Recorder()
    scope = {"type": scope_type, "path": path}
    await Front(meter, rest)(scope, None, None)
    assert meter.scopes + rest.scopes == [scope]
    return "meter" if meter.scopes else "rest"


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/screen", "/api/v1/../../auth/email",
                                  "/api/v1//", "/api/v1/a/b/c"])  # fmt: skip
async def test_metered_paths_go_to_the_meter(path):
    assert await receiver_of("http", path) == "meter"


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v10/x", "/api/v2/screen", "/API/V1/screen",
                                  "//api/v1/screen", "/x/api/v1/screen", "/api/openapi.json",
                                  "/auth/email", "/readyz"])  # fmt: skip
async def test_all_other_paths_go_to_the_rest(path):
    assert await receiver_of("http", path) == "rest"


async def test_websockets_go_to_the_rest():
    assert await receiver_of("websocket", "/api/v1/screen") == "rest"


def resource(name, events, *, fails=False):
    @asynccontextmanager
    async def enter():
        if fails:
            raise LatchkeyError("Set THIS to that.")
        events.append(f"{name} entered")
        try:
            yield
        finally:
            events.append(f"{name} released")

    return enter


def rest_with_lifespan(events, *, fails=False):
    @asynccontextmanager
    async def lifespan(app):
        events.append("rest started")
        if fails:
            raise ValueError("the rest cannot start")
        yield
        events.append("rest stopped")

    return FastAPI(lifespan=lifespan)


async def live(front, events):
    """Start and stop as a server does; the messages that it got."""
    coming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent = []

    async def receive():
        return {"type": next(coming)}

    async def send(message):
        sent.append(message)
        events.append(message["type"])

    try:
        await front({"type": "lifespan", "state": {}}, receive, send)
    except ValueError:
        events.append("raised")
    return sent


async def test_resources_are_there_before_the_rest_starts_and_after_it_stops():
    events = []
    resources = [resource("database", events), resource("meter", events)]
    await live(Front(Recorder(), rest_with_lifespan(events), resources=resources), events)
    assert events == [
        "database entered",
        "meter entered",
        "rest started",
        "lifespan.startup.complete",
        "rest stopped",
        "meter released",
        "database released",
        "lifespan.shutdown.complete",
    ]


async def test_resource_that_cannot_be_entered_stops_the_start_in_its_own_words():
    events = []
    resources = [resource("database", events), resource("meter", events, fails=True)]
    front = Front(Recorder(), rest_with_lifespan(events), resources=resources)
    sent = await live(front, events)
    assert sent == [{"type": "lifespan.startup.failed", "message": "Set THIS to that."}]
    assert events == ["database entered", "lifespan.startup.failed", "database released"]


async def test_unexpected_failure_of_a_resource_stops_the_start_and_is_told_whole():
    @asynccontextmanager
    async def broken():
        raise KeyError("x")
        yield

    front = Front(Recorder(), rest_with_lifespan([]), resources=[broken])
    [message] = await live(front, [])
    assert message["type"] == "lifespan.startup.failed"
    assert "Traceback" in message["message"]
    assert "KeyError: 'x'" in message["message"]


async def test_resources_are_released_when_the_rest_cannot_start():
    events = []
    front = Front(
        Recorder(), rest_with_lifespan(events, fails=True), resources=[resource("meter", events)]
    )
    await live(front, events)
    assert events == [
        "meter entered",
        "rest started",
        "lifespan.startup.failed",
        "meter released",
        "raised",
    ]
