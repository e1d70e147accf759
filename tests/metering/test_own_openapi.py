"""Latchkey's description of its own routes agrees with what they do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app.metering.jsonb_text import without_keys
from app.metering.own.openapi import own_openapi
from app.metering.own.paths import CALLS, KEY, OWN, OWN_TREE, USAGE, VERIFY
from app.metering.own.schemas import CompletedCall, FinishedCall, VerifyQuestion
from app.metering.proxy_paths import is_forwarded
from app.ui.pages.error_code_list import ERROR_CODES
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter
from tests.metering.services import finished, post, report, start_service, verify

DOCUMENT = own_openapi()
OPERATIONS = {
    path: operation for path, item in DOCUMENT["paths"].items() for operation in item.values()
}
SCHEMAS = DOCUMENT["components"]["schemas"]
ANY = {"200", "400", "401", "405", "500", "503"}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


async def test_every_own_route_is_served_and_described(start_meter: StartMeter) -> None:
    meter = await start_service(start_meter)
    assert set(meter._own.by_path) == set(DOCUMENT["paths"]) == OWN
    for path, item in DOCUMENT["paths"].items():
        [method] = item
        reply = await ask(meter, "DELETE", path)
        assert (reply.status, reply.headers["allow"].split(", ")[0]) == (405, method.upper())


def test_own_routes_are_never_forwarded() -> None:
    assert VERIFY.startswith(OWN_TREE)
    assert not any(is_forwarded(path) for path in OWN)


def test_every_reference_leads_somewhere() -> None:
    assert {ref.rpartition("/")[2] for ref in references(DOCUMENT)} <= set(SCHEMAS)


@pytest.mark.parametrize("path", [USAGE, KEY])
def test_customers_routes_name_every_status(path: str) -> None:
    assert set(OPERATIONS[path]["responses"]) == {*ANY, "402", "403", "429"}
    assert OPERATIONS[path]["security"] == [{"key": []}, {"keyHeader": []}]


@pytest.mark.parametrize("path", [VERIFY, CALLS])
def test_services_routes_name_every_status(path: str) -> None:
    assert set(OPERATIONS[path]["responses"]) == {*ANY, "413", "415", "422"}
    assert OPERATIONS[path]["security"] == [{"rootKey": []}, {"rootKeyHeader": []}]


def test_security_schemes_are_there() -> None:
    named = {name for one in OPERATIONS.values() for each in one["security"] for name in each}
    assert named == set(DOCUMENT["components"]["securitySchemes"])


def test_every_problem_is_listed_for_people_too() -> None:
    listed = {(row.code, row.status) for row in ERROR_CODES}
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            if status != "200":
                examples = response["content"]["application/problem+json"]["examples"]
                assert {(code, int(status)) for code in examples} <= listed
                assert all(one["value"]["code"] == code for code, one in examples.items())


@pytest.mark.parametrize("code", ["unknown_call", "id_conflict", "call_refused"])
def test_codes_of_single_calls_are_listed_for_people(code: str) -> None:
    assert code in {row.code for row in ERROR_CODES}


def test_examples_are_questions_and_hold_no_key() -> None:
    def example(path: str) -> Any:
        return OPERATIONS[path]["requestBody"]["content"]["application/json"]["example"]

    VerifyQuestion.model_validate(example(VERIFY))
    completed, whole = example(CALLS)["calls"]
    CompletedCall.model_validate(completed)
    FinishedCall.model_validate(whole)
    text = json.dumps(DOCUMENT)
    assert without_keys(text) == text


async def test_answers_have_the_described_fields(start_meter: StartMeter, live_key: Key) -> None:
    meter = await start_service(start_meter)
    answers = {
        "Verdict": await verify(meter, live_key.secret),
        "CallOutcome": (await report(meter, [finished(meter, live_key.id)]))[0],
        "CallsAnswer": (await post(meter, CALLS, {"calls": []})).json(),
        "UsageAnswer": (await ask(meter, "GET", USAGE, key=live_key.secret)).json(),
        "KeyAnswer": (await ask(meter, "GET", KEY, key=live_key.secret)).json(),
    }
    for name, answer in answers.items():
        assert set(answer) == set(SCHEMAS[name]["properties"])


@pytest.mark.parametrize("model", [VerifyQuestion, CompletedCall, FinishedCall])
def test_unknown_fields_are_described_as_refused(model: type[BaseModel]) -> None:
    assert SCHEMAS[model.__name__]["additionalProperties"] is False
