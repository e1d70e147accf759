"""The loop of docs/idempotency.md, run as it stands there."""

import re
from textwrap import dedent
from types import ModuleType
from typing import Any

import httpx
import pytest

from app.core.settings import ROOT
from app.metering.claims import KEPT_SECONDS, LEASE_SECONDS
from app.metering.kept_answer import HELD_BYTES, MOST_BYTES

PAGE = (ROOT / "docs" / "idempotency.md").read_text()
IN_WORK = {"code": "idempotency_in_progress"}


@pytest.fixture
def once() -> ModuleType:
    [code] = re.findall(r"^    # once\.py\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    module = ModuleType("once")
    exec(dedent(code), module.__dict__)  # it is our own page
    return module


def test_loop_sends_the_same_key_until_there_is_an_answer(
    once: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [
        httpx.ConnectError("away"),
        httpx.Response(503, headers={"Retry-After": "1"}),
        httpx.Response(409, headers={"Retry-After": "7"}, json=IN_WORK),
        httpx.ReadError("lost"),
        httpx.Response(201, text="done"),
    ]
    keys: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        keys.add(request.headers["idempotency-key"])
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    waits: list[float] = []
    monkeypatch.setattr(once.time, "sleep", waits.append)
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api") as client:
        assert once.post_once(client, "/api/v1/screen", {}).text == "done"
    assert (waits, len(keys)) == ([1, 1, 7, 8], 1)


@pytest.mark.parametrize(
    "final",
    [
        httpx.Response(409, json={"code": "idempotency_conflict"}),
        httpx.Response(429, json={"code": "quota_exceeded"}, headers={"Retry-After": "999999"}),
    ],
)
def test_loop_ends_with_an_answer_that_will_not_change(
    once: ModuleType, final: httpx.Response
) -> None:
    transport = httpx.MockTransport(lambda request: final)
    with httpx.Client(transport=transport, base_url="http://api") as client:
        assert once.post_once(client, "/api/v1/screen", {}) is final


def test_figures_of_the_page_are_those_of_the_code() -> None:
    assert (KEPT_SECONDS, LEASE_SECONDS) == (24 * 3600, 60)
    assert (MOST_BYTES, HELD_BYTES) == (2**20, 2**26)
    for words in ("for 24 hours", "within a minute", "up to 1 MiB", "holds 64 MiB"):
        assert words in PAGE
