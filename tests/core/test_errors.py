"""Expected failures in their written form, RFC 9457."""

import json

import pytest

from app.core.errors import InvalidRequest, LatchkeyError, NotFound, problem_body, problem_of


def test_problem_has_the_members_that_the_contract_names():
    error = NotFound("There is no such list. See /api/v1/lists.")
    assert json.loads(problem_of(error, "the-id")) == {
        "type": "/docs/errors#not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such list. See /api/v1/lists.",
        "code": "not_found",
        "request_id": "the-id",
    }


def test_failure_without_words_of_its_own_has_those_of_its_kind():
    assert NotFound().detail == NotFound.default_detail
    assert str(NotFound("x")) == "x"
    assert NotFound().headers == {}


def test_headers_are_the_failures_own():
    headers = {"Retry-After": "1"}
    error = LatchkeyError(headers=headers)
    error.headers["X"] = "1"
    assert headers == {"Retry-After": "1"}


def test_invalid_request_names_each_field_and_why():
    error = InvalidRequest(fields={"email": "must be an address", "name": "is missing"})
    problem = json.loads(problem_of(error, "x"))
    assert problem["status"] == 422
    assert problem["errors"] == [
        {"field": "email", "detail": "must be an address"},
        {"field": "name", "detail": "is missing"},
    ]


def test_invalid_request_without_fields_has_no_empty_list():
    assert "errors" not in json.loads(problem_of(InvalidRequest("Not so."), "x"))


@pytest.mark.parametrize("text", ["Zürich 東京", '"quoted" \\ and \n', "<script>", "\u2028"])
def test_any_text_survives(text):
    body = problem_body(status=400, code="c", title=text, detail=text, request_id="x", more=text)
    problem = json.loads(body.decode())
    assert problem["title"] == problem["detail"] == problem["more"] == text
