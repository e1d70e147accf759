import pytest

from app.screening.evidence import (
    compare_birth_dates,
    compare_countries,
    fold_identifier,
    identifier_score,
)


@pytest.mark.parametrize(
    ("asked", "listed", "sign"),
    [
        ("1962-11-23", "1962-11-23", 1),
        ("1962", "1962-11-23", 1),
        ("1962-11-23", "1962-11", 1),
        ("1962-11-23", "1962-11-24", 0),
        ("1963", "1962", 0),
        ("1980", "1962-11-23", -1),
        ("1980-11-23", "1962", -1),
    ],
)
def test_birth_dates_speak_for_against_or_not(asked, listed, sign):
    evidence = compare_birth_dates(asked, [listed])
    assert (evidence.change > 0) - (evidence.change < 0) == sign


def test_the_best_of_several_listed_dates_counts():
    assert compare_birth_dates("1962", ["1950", "1962", "1970"]).change > 0


def test_unknown_dates_and_countries_say_nothing():
    assert compare_birth_dates(None, ["1962"]) is None
    assert compare_birth_dates("1962", []) is None
    assert compare_countries([], ["ve"]) is None
    assert compare_countries(["ve"], []) is None


def test_a_shared_country_speaks_for_and_none_against():
    assert compare_countries(["ve", "co"], ["co", "us"]).change > 0
    assert compare_countries(["ve"], ["co"]).change < 0


def test_identifiers_are_compared_without_punctuation_case_and_imo():
    assert fold_identifier("imo 9187629") == fold_identifier("9187629") == "9187629"
    assert fold_identifier("j-31136071-9") == "J311360719"


def test_the_same_identifier_is_a_match_whatever_the_name():
    assert identifier_score(0) == pytest.approx(0.9)
    assert identifier_score(1) == pytest.approx(1)
