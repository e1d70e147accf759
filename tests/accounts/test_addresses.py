import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.addresses import DEFAULT_NEXT, parse_address, safe_next
from app.core.errors import InvalidRequest


def test_address_is_stored_in_lower_case_without_blanks():
    assert parse_address("  Ada@Example.COM ") == "ada@example.com"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "a b@example.com",
        "a@b@c.com",
        "ada@example.com\nBcc: x@y.com",
        "=?utf-8?q?=61lice?=@example.com",
    ],
)
def test_what_is_no_address_is_refused_on_its_field(raw):
    with pytest.raises(InvalidRequest) as refused:
        parse_address(raw)
    assert list(refused.value.fields) == ["email"]


@pytest.mark.parametrize("path", ["/keys/", "/logs/?key=a&x=1", "/trials/acme#top"])
def test_path_on_this_site_is_kept(path):
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "keys",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/" + "a" * 1001,
        "/a\u0000b",
        "/a b",
    ],
)
def test_anything_that_may_leave_the_site_becomes_the_overview(path):
    assert safe_next(path) == DEFAULT_NEXT


@given(st.text())
def test_the_answer_always_begins_with_exactly_one_slash(raw):
    answer = safe_next(raw)
    assert answer.startswith("/")
    assert not answer.startswith(("//", "/\\"))
