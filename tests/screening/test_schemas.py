import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.screening.normalise import fold
from app.screening.schemas import ScreenRequest


def wrong_fields(**question):
    with pytest.raises(ValidationError) as raised:
        ScreenRequest.model_validate({"name": "Ada Example", **question})
    return {".".join(map(str, error["loc"])) for error in raised.value.errors()}


def test_only_the_name_is_required():
    question = ScreenRequest(name="  Ada Example ")
    assert question.model_dump() == {
        "type": "any",
        "name": "Ada Example",
        "aliases": [],
        "birth_date": None,
        "countries": [],
        "identifiers": [],
        "client_ref": None,
        "lists": [],
        "threshold": 0.7,
        "limit": 5,
        "exclude_ids": [],
    }
    with pytest.raises(ValidationError):
        ScreenRequest.model_validate({})


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("type", "aircraft", "type"),
        ("name", "", "name"),
        ("name", " \t ", "name"),
        ("name", "…!", "name"),
        ("name", "a" * 301, "name"),
        ("name", "a\x00b", "name"),
        ("name", "a\nb", "name"),
        ("name", "\ud800", "name"),
        ("name", 7, "name"),
        ("name", None, "name"),
        ("aliases", ["x"] * 21, "aliases"),
        ("aliases", ["x", "-"], "aliases.1"),
        ("aliases", "x", "aliases"),
        ("birth_date", "62", "birth_date"),
        ("birth_date", "1962-11", "birth_date"),
        ("birth_date", "1962-02-29", "birth_date"),
        ("birth_date", "0000", "birth_date"),
        ("birth_date", "3000", "birth_date"),
        ("birth_date", "١٩٦٢", "birth_date"),
        ("birth_date", 1962, "birth_date"),
        ("countries", ["uk"], "countries.0"),
        ("countries", ["ven"], "countries.0"),
        ("countries", ["ve"] * 21, "countries"),
        ("identifiers", ["12-34"], "identifiers.0"),
        ("identifiers", ["1" * 65], "identifiers.0"),
        ("identifiers", ["12345"] * 21, "identifiers"),
        ("client_ref", "", "client_ref"),
        ("client_ref", "x" * 129, "client_ref"),
        ("client_ref", "a\x00", "client_ref"),
        ("lists", ["x"] * 21, "lists"),
        ("threshold", -0.01, "threshold"),
        ("threshold", 1.01, "threshold"),
        ("threshold", float("nan"), "threshold"),
        ("threshold", 10**400, "threshold"),
        ("threshold", "0.7", "threshold"),
        ("threshold", True, "threshold"),
        ("limit", 0, "limit"),
        ("limit", 51, "limit"),
        ("limit", 5.5, "limit"),
        ("limit", True, "limit"),
        ("exclude_ids", ["x"] * 201, "exclude_ids"),
        ("exclude_ids", [1], "exclude_ids.0"),
        ("nmae", "x", "nmae"),
    ],
)
def test_a_field_out_of_bounds_is_refused_by_name(field, value, place):
    assert wrong_fields(**{field: value}) == {place}


def test_the_bounds_themselves_are_taken():
    ScreenRequest(
        name="a" * 300,
        aliases=["x"] * 20,
        birth_date="2000-02-29",
        countries=["VE", "ve"],
        identifiers=["12345"] * 20,
        client_ref="x" * 128,
        threshold=1,
        limit=50,
        exclude_ids=["x"] * 200,
    )


def test_countries_are_told_in_lower_case():
    assert ScreenRequest(name="Ada", countries=["VE", "Co"]).countries == ["ve", "co"]


@given(st.text(max_size=320))
def test_any_text_is_a_name_that_can_be_compared_or_refused(text):
    try:
        question = ScreenRequest(name=text)
    except ValidationError:
        return
    assert any(character.isalnum() for character in fold(question.name))
