import csv
from pathlib import Path

import pytest

from app.screening.matching import compare
from app.screening.normalise import Kind, read_name

PAIRS = Path(__file__).with_name("name-pairs.csv")
THRESHOLD = 0.7
F1_FLOOR = 0.835  # 0.843 when this was written; the reference to beat is 0.796


def score(query: str, listed: str, kind: Kind = "person") -> float:
    return compare(read_name(query, kind), read_name(listed, kind)).score


def test_labelled_pairs_are_told_apart_as_well_as_before():
    right = wrong = missed = 0
    with PAIRS.open(encoding="utf-8") as pairs:
        for row in csv.DictReader(pairs):
            kind: Kind = "person" if row["schema"] == "Person" else "other"
            found = score(row["name1"], row["name2"], kind) >= THRESHOLD
            same = row["is_match"] == "true"
            right += found and same
            wrong += found and not same
            missed += same and not found
    f1 = 2 * right / (2 * right + wrong + missed)
    assert right + missed > 200
    assert f1 >= F1_FLOOR, f"F1 {f1:.4f}, {wrong} wrong, {missed} missed"


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("Igor Sechin", "SECHIN, Igor"),
        ("Nicolás Maduro", "MADURO MOROS, Nicolas"),
        ("Vladmir Putin", "Vladimir Putin"),
        ("RamiMakhlouf", "Rami Makhlouf"),
        ("习近平", "Xi Jinping"),
        ("Ali A. Velayati", "Ali Akbar Velayati"),
    ],
)
def test_the_same_person_written_otherwise_matches(query, listed):
    assert score(query, listed) >= THRESHOLD


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("Boris Abramovich", "Roman Abramovich"),
        ("Nidal al-Dulaimi", "Nidal al-Rabi'i"),
        ("Aaron A. Wendt", "Josh A. Wendt"),
        ("Kim", "KIM, Jong Un"),
    ],
)
def test_a_shared_part_is_not_a_match(query, listed):
    assert score(query, listed) < THRESHOLD


def test_an_equal_name_scores_one_in_any_order():
    assert score("Usama bin Ladin", "BIN LADIN, Usama") == pytest.approx(1)


def test_initials_alone_are_not_a_match():
    assert score("A B", "BUTEMBO, Alexander") < THRESHOLD
    assert score("A B", "BOYARKIN, V.A.") < THRESHOLD
    assert score("A B", "A. B.") == pytest.approx(1)


def test_what_the_list_adds_costs_less_than_what_differs():
    longer = score("Nicolas Maduro", "Nicolas Maduro Moros")
    differing = score("Nicolas Maduro Castro", "Nicolas Maduro Moros")
    assert differing < longer < 1


def test_numbers_must_be_equal():
    assert score("Brigade 44", "Brigade 45", "other") < THRESHOLD


def test_another_legal_form_costs_a_little():
    same = score("Example LLC", "Example Ltd", "other")
    other = score("Example LLC", "Example plc", "other")
    assert same == pytest.approx(1)
    assert THRESHOLD < other < same
