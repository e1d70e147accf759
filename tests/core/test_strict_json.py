import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.strict_json import (
    MalformedJson,
    UnsupportedMediaType,
    check_content_type,
    parse_json,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # a lone surrogate has no place in UTF-8
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        parse_json(body)
    except MalformedJson as refusal:
        assert refusal.status == 400  # noqa: PT017 both outcomes are right


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "a": 2}}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"9" * 10_000,
        b'"\xff"',
        b"\xff\xfe{\x00}\x00",
        b"{} {}",
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_what_is_no_plain_json_is_refused(body):
    with pytest.raises(MalformedJson):
        parse_json(body)


def test_a_byte_order_mark_is_passed_over():
    assert parse_json(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    "value",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_in_utf_8_is_taken(value):
    check_content_type(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin-1",
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(UnsupportedMediaType):
        check_content_type(value)
