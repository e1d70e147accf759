import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.screening.index import NameIndex
from app.screening.matching import compare
from app.screening.normalise import Name, read_name

AT_LEAST = 0.6
PARTS = ["al", "bin", "de", "a", "j", "12", "ali", "alia", "kim", "un", "in", "hassan", "hasan"]
PARTS += ["mohammad", "mohamed", "muhammad", "nicolas", "nikolas", "maduro", "moros", "madero"]
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(" ".join)


def reaching(query: Name, names: list[Name]) -> set[int]:
    """What comparing with every name finds."""
    return {at for at, name in enumerate(names) if compare(query, name).score >= AT_LEAST}


@given(query=NAMES, listed=st.lists(NAMES, min_size=1, max_size=12))
def test_search_misses_no_name_that_scores(query, listed):
    names = [read_name(text, "person") for text in listed]
    asked = read_name(query, "person")
    assert reaching(asked, names) <= set(NameIndex(names).search(asked, AT_LEAST))


@pytest.mark.parametrize("kind", ["person", "other"])
def test_search_misses_no_misspelled_name_of_the_sample(sample, kind):
    listed = sample[0].listed[kind]
    dice = random.Random(7)
    found = 0
    for name in dice.sample(list(listed.names), 25):
        letters = list(name.text)
        for _ in range(2):
            letters[dice.randrange(len(letters))] = dice.choice("aeiou rst")
        asked = read_name("".join(letters), kind)
        expected = reaching(asked, list(listed.names))
        assert expected <= set(listed.index.search(asked, AT_LEAST))
        found += len(expected)
    assert found > 20


def test_search_leaves_out_most_of_the_list(sample):
    listed = sample[0].listed["person"]
    found = listed.index.search(read_name("Mohammad Ali Hassan", "person"), AT_LEAST)
    assert len(found) < len(listed.names) / 20
