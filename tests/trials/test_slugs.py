"""A trial's part of an address."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.trials.slugs import LONGEST_SLUG, slug_of

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        ("  Acme -- & Sons, Inc. ", "acme-sons-inc"),
        ("Ünïcode GmbH", "unicode-gmbh"),
        ("株式会社", "zhushihuishe"),
        ("Газпром", "gazprom"),
        ("acme-2", "acme-2"),
        ("日", "ri"),
        ("---", "trial"),
        ("", "trial"),
        ("\u200b", "trial"),
    ],
)
def test_name_of_any_script_becomes_readable(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_long_name_ends_with_a_whole_word() -> None:
    assert slug_of("word " * 20) == "word-word-word-word-word-word-word-word"
    assert slug_of("a" * 20 + " " + "b" * 19 + " c") == "a" * 20 + "-" + "b" * 19
    assert slug_of("x" * 100) == "x" * LONGEST_SLUG


@given(st.text(max_size=80))
@example("🦄🦄🦄")
@example("x" * 40 + "-y")
@example("-" * 50 + "é" * 50)
def test_slug_is_always_fit_for_an_address(name: str) -> None:
    slug = slug_of(name)
    assert SLUG.fullmatch(slug)
    assert len(slug) <= LONGEST_SLUG
    assert slug_of(slug) == slug
