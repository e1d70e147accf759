import json
import logging
import uuid

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.problem_schema import Problem
from app.screening import service
from app.screening.api import make_api
from app.screening.examples import ANSWER, LISTS, REQUEST, REQUEST_ID
from app.screening.lists import WatchlistError
from app.screening.schemas import ListsAnswer, ScreenAnswer
from tests.screening.conftest import client_of

SCREEN, LISTS_PATH = "/api/v1/screen", "/api/v1/lists"
JSON = {"content-type": "application/json"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = ["type", "name", "aliases", "birth_date", "countries", "identifiers", "client_ref"]
FIELDS += ["lists", "threshold", "limit", "exclude_ids", "nmae"]


def problem_of(answer: httpx.Response, status: int, code: str) -> Problem:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert (problem.status, problem.code) == (status, code)
    return problem


async def test_a_listed_name_is_a_potential_match(client):
    answer = await client.post(SCREEN, json=REQUEST, headers={"x-request-id": REQUEST_ID})
    assert answer.status_code == 200
    body = answer.json()
    body["lists"][0]["loaded_at"] = ANSWER["lists"][0]["loaded_at"]
    assert body == ANSWER


async def test_an_ordinary_name_is_clear(client):
    answer = await client.post(SCREEN, json={"name": "Mary Johnson"})
    body = answer.json()
    assert (body["status"], body["results"], body["client_ref"]) == ("clear", [], None)
    assert body["units"] == 1
    assert body["threshold"] == 0.7


async def test_the_answer_has_exactly_the_contract_s_fields(client):
    body = (await client.post(SCREEN, json=REQUEST)).json()
    assert set(body) == {
        *("id", "client_ref", "status", "units", "results"),
        *("lists", "algorithm", "threshold"),
    }
    assert set(body["results"][0]) == {
        *("list", "entity_id", "name", "matched_name", "type", "score", "match"),
        *("explanations", "programs", "birth_dates", "countries"),
    }
    assert set(body["lists"][0]) == {"name", "version", "sha256", "loaded_at", "entities"}


async def test_the_same_question_gives_the_same_bytes(client):
    first, second = [
        await client.post(SCREEN, json=REQUEST, headers={"x-request-id": "same"}) for _ in "12"
    ]
    assert first.content == second.content


async def test_the_id_is_the_request_id(client):
    answer = await client.post(SCREEN, json=REQUEST, headers={"x-request-id": "call-1"})
    assert answer.json()["id"] == "call-1"


@pytest.mark.parametrize("given_id", [None, "", "a b", "x" * 65, "<script>"])
async def test_an_odd_or_missing_request_id_is_replaced(client, given_id):
    headers = {} if given_id is None else {"x-request-id": given_id}
    answer = await client.post(SCREEN, json=REQUEST, headers=headers)
    assert uuid.UUID(answer.json()["id"]).version == 7


async def test_lists_tells_what_is_loaded(client):
    answer = await client.get(LISTS_PATH)
    assert answer.status_code == 200
    (only,) = answer.json()["lists"]
    assert set(only) == set(LISTS["lists"][0])
    assert {**only, "age_seconds": 0, "loaded_at": ""} == {
        **LISTS["lists"][0],
        "age_seconds": 0,
        "loaded_at": "",
    }


@pytest.mark.parametrize("body", [b"", b"{", b'{"name": NaN}', b'{"name":"a","name":"b"}'])
async def test_malformed_json_is_400(client, body):
    problem_of(await client.post(SCREEN, content=body, headers=JSON), 400, "malformed_json")


async def test_another_media_type_is_415(client):
    answer = await client.post(SCREEN, data={"name": "Ada"})
    problem_of(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"Ada"', b"7"])
async def test_json_that_is_no_object_is_422(client, body):
    problem = problem_of(
        await client.post(SCREEN, content=body, headers=JSON), 422, "invalid_request"
    )
    assert [wrong.field for wrong in problem.errors] == ["body"]


async def test_wrong_fields_are_named_and_never_echoed(client):
    question = {
        "type": "SECRET1",
        "name": "SECRET2\x00",
        "birth_date": "SECRET3",
        "countries": ["SECRET4"],
        "identifiers": ["ok-12345", "§"],
        "lists": [["SECRET5"]],
        "threshold": "SECRET6",
        "nmae": "SECRET7",
        "SECRET 8": 1,
    }
    answer = await client.post(SCREEN, json=question)
    problem = problem_of(answer, 422, "invalid_request")
    assert {wrong.field for wrong in problem.errors} == {
        *("type", "name", "birth_date", "countries.0", "identifiers.1"),
        *("lists.0", "threshold", "nmae", "(unknown)"),
    }
    assert "SECRET" not in answer.text


async def test_very_many_wrong_fields_give_a_short_answer(client):
    answer = await client.post(SCREEN, json={f"field{number}": 1 for number in range(5000)})
    problem_of(answer, 422, "invalid_request")
    assert len(answer.content) < 4000


async def test_an_unknown_list_is_422(client):
    answer = await client.post(SCREEN, json={"name": "Ada", "lists": ["SECRET"]})
    problem = problem_of(answer, 422, "invalid_request")
    assert [wrong.field for wrong in problem.errors] == ["lists.0"]
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("path", ["/", "/api/v1/nothing", SCREEN + "/", LISTS_PATH + "/"])
async def test_an_unknown_path_is_404(client, path):
    problem_of(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", SCREEN, "POST"), ("POST", LISTS_PATH, "GET")]
)
async def test_another_method_is_405_and_says_which(client, method, path, allow):
    answer = await client.request(method, path)
    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


async def test_a_failure_inside_is_500_without_details(client, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("SECRET")

    monkeypatch.setattr(service, "compare", fail)
    with caplog.at_level(logging.ERROR, "app.screening"):
        answer = await client.post(SCREEN, json=REQUEST, headers={"x-request-id": "call-9"})
    problem = problem_of(answer, 500, "internal_error")
    assert problem.request_id == "call-9"
    assert "SECRET" not in answer.text
    assert "call-9" in caplog.text


@pytest.mark.parametrize(("method", "path"), [("POST", SCREEN), ("GET", LISTS_PATH)])
async def test_without_a_list_nothing_is_screened(method, path):
    def fail():
        raise WatchlistError("WATCHLISTS: the list x (/secret/path): No such file.")

    async with client_of(make_api(fail)) as client:
        answer = await client.request(method, path, json={"name": "Ada"})
    problem_of(answer, 503, "no_list_loaded")
    assert "secret" not in answer.text


async def test_a_list_that_comes_back_is_used(sample):
    states = [WatchlistError("WATCHLISTS: gone"), sample]

    def load():
        state = states.pop(0)
        if isinstance(state, Exception):
            raise state
        return state

    async with client_of(make_api(load)) as client:
        problem_of(await client.get(LISTS_PATH), 503, "no_list_loaded")
        assert (await client.get(LISTS_PATH)).status_code == 200


async def test_an_unusable_setting_stops_the_start():
    def fail():
        raise WatchlistError("WATCHLISTS: gone")

    app = make_api(fail)
    with pytest.raises(WatchlistError):
        async with app.router.lifespan_context(app):
            pass


async def test_lists_are_loaded_once_at_the_start(sample):
    calls = []

    def load():
        calls.append(1)
        return sample

    app = make_api(load)
    async with app.router.lifespan_context(app), client_of(app) as client:
        assert calls == [1]
        await client.post(SCREEN, json=REQUEST)
    assert calls == [1]


class Caller:
    def __init__(self):
        self.reserved = []

    def reserve(self, units):
        self.reserved.append(units)


def with_caller(app, caller):
    async def wrapped(scope, receive, send):
        await app({**scope, "latchkey": caller}, receive, send)

    return wrapped


async def test_an_answered_subject_reserves_one_unit(screening):
    caller = Caller()
    async with client_of(with_caller(screening, caller)) as client:
        await client.post(SCREEN, json=REQUEST)
    assert caller.reserved == [1]


async def test_a_refused_question_reserves_nothing(screening):
    caller = Caller()
    async with client_of(with_caller(screening, caller)) as client:
        await client.post(SCREEN, json={"name": ""})
        await client.post(SCREEN, json={"name": "Ada", "lists": ["nowhere"]})
        await client.get(LISTS_PATH)
    assert caller.reserved == []


async def test_long_work_gives_the_same_answer_from_a_thread(client):
    question = {"name": "Someone Else", "aliases": ["Nicolas Maduro"] * 20}
    answer = await client.post(SCREEN, json=question)
    assert [one["entity_id"] for one in answer.json()["results"]] == ["ofac-22790"]


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(question=st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=6))
async def test_any_object_gets_a_documented_answer(client, question):
    body = json.dumps({"name": "Nicolas Maduro", **question}).encode()
    answer = await client.post(SCREEN, content=body, headers=JSON)
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        ScreenAnswer.model_validate_json(answer.content)
    else:
        Problem.model_validate_json(answer.content)


async def test_both_answers_are_those_documented(client):
    ScreenAnswer.model_validate_json((await client.post(SCREEN, json=REQUEST)).content)
    ListsAnswer.model_validate_json((await client.get(LISTS_PATH)).content)
