import hashlib
import re
import threading
from collections import Counter

import pytest

from app.screening.countries import COUNTRY_CODES
from app.screening.lists import SAMPLE, ListStore, WatchlistError, load_watchlists


def test_without_a_setting_the_sample_is_loaded(sample):
    (only,) = sample
    assert (only.name, only.version, len(only.entities)) == ("sample", "sample-1", 575)
    assert only.sha256 == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert only.loaded_at.utcoffset().total_seconds() == 0


def test_the_sample_is_small_and_holds_every_type(sample):
    assert SAMPLE.stat().st_size < 150_000
    types = Counter(entity.type for entity in sample[0].entities)
    assert all(types[one] >= 20 for one in ("person", "company", "vessel", "aircraft"))


def test_the_sample_s_countries_are_codes(sample):
    assert {code for one in sample[0].entities for code in one.countries} <= COUNTRY_CODES


def test_the_sample_says_that_it_is_one():
    first = SAMPLE.read_text().splitlines()[0]
    assert "Not for real screening" in first


def test_the_setting_names_lists_and_their_files(list_file):
    one, two = list_file({}, name="one"), list_file({}, {"name": "Bo"}, name="two", version="v2")
    found = load_watchlists(f"first={one}, second = {two}")
    assert [(w.name, w.version, len(w.entities)) for w in found] == [
        ("first", "v1", 1),
        ("second", "v2", 2),
    ]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("just-a-name", "name=path"),
        ("=x.jsonl", "name=path"),
        ("Bad Name=x.jsonl", "name=path"),
        ("ofac=https://example.com/sdn.csv", "ofac is a URL"),
        ("ofac=/nowhere/at/all.jsonl", "No such file"),
        ("ofac=/", "Is a directory"),
    ],
)
def test_an_unusable_setting_is_named_with_the_reason(setting, says):
    with pytest.raises(WatchlistError, match=says) as raised:
        load_watchlists(setting)
    assert str(raised.value).startswith("WATCHLISTS")


def test_a_list_named_twice_is_refused(list_file):
    path = list_file({})
    with pytest.raises(WatchlistError, match="ofac twice"):
        load_watchlists(f"ofac={path},ofac={path}")


@pytest.mark.parametrize(
    ("entity", "says"),
    [
        ({"type": "ship"}, "line 2, type"),
        ({"name": "!!!"}, "line 2, name"),
        ({"aliases": ["ok", " "]}, "line 2, aliases, 1"),
        ({"birth_dates": ["23 Nov 1962"]}, "line 2, birth_dates, 0"),
        ({"countries": ["VEN"]}, "line 2, countries, 0"),
        ({"nmae": "x"}, "line 2, nmae"),
    ],
)
def test_a_bad_entity_is_named_by_line_and_field(list_file, entity, says):
    with pytest.raises(WatchlistError, match=re.escape(says)):
        load_watchlists(f"mine={list_file(entity)}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b'{"format":"latchkey-list/1","version":"1"}', "no entities"),
        (b'{"format":"other/9","version":"1"}\n{}', "line 1, format"),
        (b"\xff\xfe\x00", "line 1"),
        (b"ent_num,name\n1,x", "line 1"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, says):
    path = tmp_path / "list.jsonl"
    path.write_bytes(content)
    with pytest.raises(WatchlistError, match=says):
        load_watchlists(f"mine={path}")


def test_an_id_must_be_there_once(list_file):
    with pytest.raises(WatchlistError, match="e1 twice"):
        load_watchlists(f"mine={list_file({}, {'id': 'e1'})}")


def test_a_store_loads_once_for_all_threads():
    entered, release, calls = threading.Semaphore(0), threading.Event(), []

    def load():
        calls.append(1)
        entered.release()
        assert release.wait(10)
        return ()

    store = ListStore(load)
    threads = [threading.Thread(target=store.load) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)
    assert not entered.acquire(timeout=0.2)  # nobody else reads meanwhile
    release.set()
    for thread in threads:
        thread.join()
    assert calls == [1]
