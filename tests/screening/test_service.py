import pytest

from app.core.errors import InvalidRequest
from app.screening.lists import load_watchlists
from app.screening.schemas import ScreenRequest
from app.screening.service import choose_lists, is_quick, screen

MADURO = "ofac-22790"


def ids(lists, **question):
    return [result.entity_id for result in screen(ScreenRequest(**question), lists)]


@pytest.mark.parametrize(
    ("name", "entity_id"),
    [
        ("Nicolás Maduro", MADURO),
        ("Николас Мадуро", MADURO),
        ("Osama bin Laden", "ofac-6365"),
        ("Kim Jong-un", "ofac-20157"),
        ("Bashar el Assad", "ofac-12735"),
        ("El Chapo Guzman", "ofac-6861"),
        ("Hezbollah", "ofac-4697"),
        ("Mahan Air", "ofac-12927"),
    ],
)
def test_a_listed_name_is_found_first(sample, name, entity_id):
    assert ids(sample, name=name)[0] == entity_id


@pytest.mark.parametrize("name", ["Mary Johnson", "John Smith", "Deutsche Bank AG", "Kim"])
def test_an_ordinary_name_is_clear(sample, name):
    assert ids(sample, name=name) == []


def test_every_entity_of_the_sample_finds_itself(sample):
    for entity in sample[0].entities:
        assert entity.id in ids(sample, name=entity.name, limit=50), entity.name


def test_only_results_from_the_threshold_up_are_given(sample):
    (result,) = screen(ScreenRequest(name="Nicolas Maduro"), sample)
    assert 0.7 < result.score < 1
    assert ids(sample, name="Nicolas Maduro", threshold=result.score) == [MADURO]
    assert ids(sample, name="Nicolas Maduro", threshold=result.score + 0.0001) == []
    for found in screen(ScreenRequest(name="Nicolas Maduro", threshold=0, limit=50), sample):
        assert found.match


def test_a_query_s_alias_counts_as_well_as_its_name(sample):
    assert ids(sample, name="Someone Else", aliases=["Nicolas Maduro Moros"]) == [MADURO]


def test_the_type_narrows_the_search(sample):
    assert ids(sample, name="Mahan Air", type="company") == ["ofac-12927"]
    assert ids(sample, name="Mahan Air", type="person") == []
    assert ids(sample, name="Mahan Air", type="vessel") == []


def test_aircraft_are_found_under_any(sample):
    aircraft = next(entity for entity in sample[0].entities if entity.type == "aircraft")
    assert ids(sample, name=aircraft.name)[0] == aircraft.id
    assert aircraft.id not in ids(sample, name=aircraft.name, type="vessel")


def test_excluded_ids_are_not_given(sample):
    assert ids(sample, name="Nicolas Maduro", exclude_ids=["x", MADURO]) == []


def test_birth_date_and_country_move_the_score(sample):
    def score(**more):
        return screen(ScreenRequest(name="Nicolas Maduro", **more), sample)[0].score

    plain = score()
    assert score(birth_date="1962-11-23") > score(birth_date="1962") > plain
    assert score(countries=["VE"]) > plain > score(countries=["no"])


def test_an_exact_name_matches_though_date_and_country_differ(sample):
    question = {"name": "Nicolas Maduro Moros", "birth_date": "1901", "countries": ["no"]}
    assert ids(sample, **question) == [MADURO]


def test_a_listed_identifier_is_a_match_whatever_the_name(sample):
    (result,) = screen(ScreenRequest(name="Jane Roe", identifiers=["5.892.464"]), sample)
    assert (result.entity_id, result.score) == (MADURO, 0.9)
    assert [piece.feature for piece in result.explanations] == ["name", "identifier"]


def test_an_identifier_counts_within_the_type_only(sample):
    assert ids(sample, name="Jane Roe", identifiers=["5892464"], type="vessel") == []


def test_explanations_never_repeat_the_question(sample):
    question = ScreenRequest(
        name="Nicolas Maduro", birth_date="1971-03-04", countries=["no"], identifiers=["5892464"]
    )
    (result,) = screen(question, sample)
    assert [piece.feature for piece in result.explanations] == [
        "name",
        "birth_date",
        "country",
        "identifier",
    ]
    words = " ".join(piece.detail for piece in result.explanations).lower()
    assert not any(told in words for told in ("maduro", "1971", "5892464"))


def test_results_are_best_first_and_limited(sample):
    found = screen(ScreenRequest(name="Mohammad Hassan", threshold=0.5, limit=50), sample)
    scores = [result.score for result in found]
    assert len(scores) >= 3
    assert scores == sorted(scores, reverse=True)
    limited = screen(ScreenRequest(name="Mohammad Hassan", threshold=0.5, limit=2), sample)
    assert limited == found[:2]


def test_equal_scores_are_in_the_order_of_list_and_id(list_file):
    entities = [{"id": key, "name": "Ada Example"} for key in ("c", "a", "b")]
    lists = load_watchlists(f"z={list_file(*entities)},y={list_file({}, name='y')}")
    found = screen(ScreenRequest(name="Ada Example"), lists)
    assert [(one.list, one.entity_id) for one in found] == [
        ("y", "e1"),
        ("z", "a"),
        ("z", "b"),
        ("z", "c"),
    ]


def test_the_best_name_of_an_entity_is_told(sample):
    (result,) = screen(ScreenRequest(name="Osama bin Laden", type="person"), sample)
    assert result.name == "BIN LADIN, Usama bin Muhammad bin Awad"
    assert result.matched_name == "BIN LADEN, Osama"


def test_named_lists_only_are_searched(list_file):
    lists = load_watchlists(f"one={list_file({})},two={list_file({}, name='two')}")
    chosen = choose_lists(ScreenRequest(name="Ada Example", lists=["two"]), lists)
    assert [one.name for one in chosen] == ["two"]
    assert choose_lists(ScreenRequest(name="Ada"), lists) == list(lists)


def test_an_unknown_list_is_named_by_its_place(sample):
    with pytest.raises(InvalidRequest) as raised:
        choose_lists(ScreenRequest(name="Ada", lists=["sample", "secret"]), sample)
    assert list(raised.value.fields) == ["lists.1"]
    assert "secret" not in str(raised.value.fields)


def test_long_work_is_told_from_short(sample):
    assert is_quick(ScreenRequest(name="Nicolas Maduro"), sample)
    assert not is_quick(ScreenRequest(name="a" * 300), sample)
    assert not is_quick(ScreenRequest(name="Ada", aliases=["Nicolas Maduro"] * 20), sample)
