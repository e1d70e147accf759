import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys.format import ALPHABET, KEY_PATTERN, checksum, is_well_formed, key_start, new_key

KINDS = ["live", "trial", "root"]


@pytest.mark.parametrize("kind", KINDS)
def test_new_key_has_the_contracts_shape(kind):
    key = new_key(kind)
    assert re.fullmatch(r"\blk_(live|trial|root)_[0-9A-Za-z]{38}\b", key)
    assert key.startswith(f"lk_{kind}_")
    assert is_well_formed(key)


def test_new_keys_differ():
    assert len({new_key("live") for _ in range(100)}) == 100


def test_checksum_is_the_base62_crc32_of_all_before_it():
    # decoded digit by digit here, so that a wrong alphabet or order shows
    body = "lk_live_" + "a" * 32
    number = 0
    for digit in checksum(body):
        number = number * 62 + ALPHABET.index(digit)
    assert number == zlib.crc32(body.encode())


def test_checksum_is_padded_to_six_with_zeros():
    # a body whose CRC-32 is small enough to need padding, found by search
    body = next(
        text for n in range(100_000) if zlib.crc32((text := f"lk_live_{n:032d}").encode()) < 62**5
    )
    assert len(checksum(body)) == 6
    assert checksum(body).startswith("0")


@pytest.mark.parametrize("kind", KINDS)
def test_key_with_one_changed_character_is_malformed(kind):
    key = new_key(kind)
    for place in range(key.rindex("_") + 1, len(key)):
        other = "A" if key[place] != "A" else "B"
        assert not is_well_formed(key[:place] + other + key[place + 1 :])


@given(st.text())
def test_any_text_is_answered_without_an_error(text):
    assert is_well_formed(text) in {True, False}


@pytest.mark.parametrize("tail", ["\n", " ", "\u00e9", "٣"])
def test_key_with_something_behind_it_is_malformed(tail):
    assert not is_well_formed(new_key("live") + tail)


def test_start_shows_the_prefix_and_four_characters():
    key = new_key("trial")
    assert key_start(key) == key[: len("lk_trial_") + 4]


def test_pattern_finds_a_key_inside_text():
    key = new_key("live")
    assert KEY_PATTERN.search(f"see ?key={key}&x").group() == key
