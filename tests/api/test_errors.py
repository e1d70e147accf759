"""What goes wrong is told in one place: a page for people, a problem for programs."""

import json
import logging
import re

import pytest
from fastapi import FastAPI

from app.accounts import links
from app.api.errors import add_error_handlers
from app.core.errors import LatchkeyError
from app.models import SignInLink
from tests.api.browser import ask, opened
from tests.api.test_auth import count

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SECRET = "the secret is 1234"


class Teapot(LatchkeyError):
    """An expected failure of a test."""

    status = 418
    code = "teapot"
    title = "I am a <teapot>"
    default_detail = "Ask for <tea>."


def failing_app():
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/expected")
    async def expected():
        raise Teapot(headers={"Retry-After": "7", "Cache-Control": "max-age=1"})

    @app.get("/unexpected")
    async def unexpected():
        raise RuntimeError(SECRET)

    @app.get("/numbers/{number}")
    async def number(number: int):
        return number

    return app


@pytest.fixture
async def visitor(settings):
    async with opened(settings, app=failing_app()) as browser:
        yield browser


PROGRAM = {"Accept": "application/json"}


async def test_expected_failure_is_a_problem_for_a_program(visitor):
    answer = await visitor.get("/expected", headers=PROGRAM)
    assert answer.status_code == 418
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["cache-control"] == "max-age=1"
    request_id = answer.headers["x-request-id"]
    assert UUID7.fullmatch(request_id)
    assert answer.json() == {
        "type": "/docs/errors#teapot",
        "title": "I am a <teapot>",
        "status": 418,
        "detail": "Ask for <tea>.",
        "code": "teapot",
        "request_id": request_id,
    }


async def test_expected_failure_is_a_page_for_a_person(visitor):
    answer = await visitor.get("/expected")
    assert answer.status_code == 418
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["retry-after"] == "7"
    assert UUID7.fullmatch(answer.headers["x-request-id"])
    assert "Ask for &lt;tea&gt;." in answer.text
    assert "I am a &lt;teapot&gt;" in answer.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_unexpected_failure_tells_nothing_and_is_found_in_the_log(visitor, caplog, accept):
    with caplog.at_level(logging.ERROR, "app.api.errors"):
        answer = await visitor.get("/unexpected", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    [record] = [one for one in caplog.records if one.name == "app.api.errors"]
    assert answer.headers["x-request-id"] in record.getMessage()
    assert record.exc_info[1].args == (SECRET,)


async def test_unexpected_failure_of_a_route_of_ours_changes_nothing(
    open_browser, monkeypatch, unit_of_work
):
    async def break_after_writing(session, link_id):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(links.outbox, "defer", break_after_writing)
    answer = await ask(await open_browser())
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "set-cookie" not in answer.headers
    assert await count(unit_of_work, SignInLink) == 0


async def test_unknown_path_and_wrong_method_have_codes_of_their_own(visitor):
    unknown = await visitor.get("/nowhere/<b>", headers=PROGRAM)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    wrong = await visitor.delete("/expected", headers=PROGRAM)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"
    assert "nowhere" not in unknown.text


async def test_multipart_which_would_go_to_the_disk_is_refused(open_browser):
    visitor = await open_browser()
    headers = {**PROGRAM, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await visitor.post("/auth/email", content=b"--y", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_form_of_more_than_64_kib_is_refused_unread(open_browser):
    visitor = await open_browser()
    form = {"email": "a@example.com", "name": "x" * 70_000}
    answer = await visitor.post("/auth/email", data=form, headers=PROGRAM)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_wrong_field_is_named_without_an_echo_of_what_was_sent(visitor):
    problem = await visitor.get("/numbers/<b>x", headers=PROGRAM)
    assert problem.status_code == 422
    assert [error["field"] for error in problem.json()["errors"]] == ["number"]
    page = await visitor.get("/numbers/<b>x")
    assert page.status_code == 422
    assert "number: Input should be a valid integer" in page.text
    for answer in (problem, page):
        assert "<b>x" not in answer.text
        assert "&lt;b&gt;x" not in answer.text


async def test_each_answer_has_a_request_id_of_its_own(visitor):
    ids = [(await visitor.get("/expected")).headers["x-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5
    given = await visitor.get("/expected", headers={"X-Request-Id": "mine", **PROGRAM})
    assert json.loads(given.text)["request_id"] != "mine"
