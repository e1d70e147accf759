import pytest

from app.screening import examples
from app.screening.api import api
from app.screening.schemas import ListsAnswer, ScreenAnswer, ScreenRequest

DOCUMENT = api.openapi()
SCREEN = DOCUMENT["paths"]["/api/v1/screen"]["post"]
LISTS = DOCUMENT["paths"]["/api/v1/lists"]["get"]


def test_the_document_is_openapi_3_1_with_these_two_operations():
    assert DOCUMENT["openapi"].startswith("3.1")
    operations = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert operations == {("/api/v1/screen", "post"), ("/api/v1/lists", "get")}


def test_every_operation_tells_the_meter_its_price():
    assert SCREEN["x-latchkey"]["units"] == 1
    assert LISTS["x-latchkey"] == {"units": 0, "sensitive": []}


def test_fields_that_tell_who_was_asked_about_are_sensitive():
    asked = {"name", "aliases", "birth_date", "countries", "identifiers", "exclude_ids"}
    told = {"entity_id", "name", "matched_name", "birth_dates", "countries", "programs"}
    tried_first = {"full_name", "date_of_birth", "query"}
    assert set(SCREEN["x-latchkey"]["sensitive"]) >= asked | told | tried_first


def test_what_tells_nobody_about_the_subject_stays_in_the_log():
    kept = {"type", "client_ref", "lists", "threshold", "limit", "status", "score", "explanations"}
    assert not kept & set(SCREEN["x-latchkey"]["sensitive"])


def test_every_field_has_a_description():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert described.get("description"), f"{name}.{field}"


def test_every_failure_is_described_as_a_problem_with_an_example():
    failures = {status for status in SCREEN["responses"] if status != "200"}
    assert failures == {"400", "415", "422", "500", "503"}
    for operation in (SCREEN, LISTS):
        for status, response in operation["responses"].items():
            if status != "200":
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert content["example"]["status"] == int(status)
    assert "Problem" in DOCUMENT["components"]["schemas"]


def test_every_reference_leads_somewhere():
    def references(part):
        if isinstance(part, dict):
            yield from ([part["$ref"]] if "$ref" in part else [])
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    schemas = DOCUMENT["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(DOCUMENT)} <= set(schemas)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (ScreenRequest, examples.REQUEST),
        (ScreenAnswer, examples.ANSWER),
        (ListsAnswer, examples.LISTS),
    ],
)
def test_examples_are_valid_and_shown(model, example):
    model.model_validate(example)
    assert DOCUMENT["components"]["schemas"][model.__name__]["examples"] == [example]
