"""What may never happen to a stored body, on a real PostgreSQL: refused, too long, telling."""

import json
from urllib.parse import quote_plus

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.keys.format import new_key
from app.metering.jsonb_text import CAP_BYTES, shortened
from app.metering.redaction import READ_BYTES, stored_body

SECRET = "Hopper"
KEY = new_key("live")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
CONTENT_TYPES = st.sampled_from(
    [JSON, "application/json; charset=latin-1", FORM, "text/plain", "image/png", "", "\0;\ud800"]
)
MODES = st.sampled_from(["redacted", "full"])
ODD_TEXT = st.text() | st.sampled_from(
    ["\0", "\\", "\\u0000", '"', "\ud800", f"\n{KEY}x", "é" * 99]
)
NAMES = st.sampled_from(["Name", "name", "a.name", "api-key", "id", KEY, "\0", "n" * 300])
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**4299, 5e-324])
SCALARS = st.none() | st.booleans() | NUMBERS | ODD_TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES | ODD_TEXT, inner), max_leaves=30
)
SUBJECTS = st.recursive(
    st.just(SECRET), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=5
)
TELLING = st.sampled_from(["name", "NAME", "Birth-Date", "x_api_key", "user[name]", "Set-Cookie"])
many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def connection(postgres):
    with psycopg.connect(postgres, autocommit=True) as opened:
        yield opened


def bytes_in(connection, text):
    """How long the stored body is, as PostgreSQL writes it; raises where it takes none."""
    return connection.execute("SELECT octet_length((%s::jsonb)::text)", [text]).fetchone()[0]


def check(connection, body, content_type, mode, sensitive=frozenset({"name", "birth_date"})):
    text = stored_body(body, content_type, sensitive=sensitive, mode=mode)
    if text is None:
        assert not body
        return ""
    assert len(text.encode()) <= CAP_BYTES
    assert bytes_in(connection, text) <= CAP_BYTES
    assert KEY[:13] not in text
    return text


def dumped(value, *, ensure_ascii):
    return json.dumps(value, ensure_ascii=ensure_ascii).encode(errors="surrogatepass")


@many
@given(body=st.binary(), content_type=CONTENT_TYPES, mode=MODES)
def test_postgresql_takes_what_is_stored_of_any_bytes(connection, body, content_type, mode):
    check(connection, body, content_type, mode)


@many
@given(value=VALUES, ascii_only=st.booleans(), mode=MODES, content_type=CONTENT_TYPES)
def test_postgresql_takes_what_is_stored_of_any_json(
    connection, value, ascii_only, mode, content_type
):
    check(connection, dumped(value, ensure_ascii=ascii_only), content_type, mode, frozenset())


@many
@given(value=VALUES, times=st.integers(0, 20_000), mode=MODES, cut=st.integers(0, 50))
def test_the_cap_holds_for_any_large_json(connection, value, times, mode, cut):
    one = dumped(value, ensure_ascii=False)
    body = b"[" + b",".join([one] * max(1, times // len(one))) + b"]"
    check(connection, body[: len(body) - cut], JSON, mode, frozenset())


@many
@given(
    subject=SUBJECTS,
    telling=TELLING,
    before=VALUES,
    after=VALUES,
    padding=st.integers(0, 2 * READ_BYTES),
    ascii_only=st.booleans(),
    cut=st.integers(0, 200),
    content_type=st.sampled_from([JSON, FORM, "text/plain", ""]),
)
def test_no_sensitive_value_remains_of_json_whole_or_broken(
    connection, subject, telling, before, after, padding, ascii_only, cut, content_type
):
    value = {"before": before, telling: subject, "pad": "x" * padding, "deep": {telling: subject}}
    body = dumped({**value, "after": after}, ensure_ascii=ascii_only)
    for sent in (body, body[: len(body) - cut], body + b", oops", body.replace(b"{", b"[{]", 1)):
        assert SECRET not in check(connection, sent, content_type, "redacted")


@many
@given(fields=st.lists(st.tuples(TELLING | ODD_TEXT, ODD_TEXT)), cut=st.integers(0, 30))
def test_no_sensitive_value_remains_of_a_form(connection, fields, cut):
    def quoted(text):
        return quote_plus(text.encode(errors="surrogatepass"))

    body = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in fields)
    sent = f"{body}&user%5Bname%5D={SECRET}&{SECRET}&id=1".encode()
    assert SECRET not in check(connection, sent[: len(sent) - cut], FORM, "redacted")


@many
@given(unit=ODD_TEXT, content_type=st.sampled_from(["text/plain", FORM, JSON]))
def test_a_body_of_1_mib_is_kept_in_part_and_says_how_large_it_was(connection, unit, content_type):
    unit = unit.encode(errors="replace").replace(b"\0", b"0") or b"x"
    body = b"a=" + unit * (1024 * 1024 // len(unit))
    told = json.loads(check(connection, body, content_type, "full"))
    assert told["bytes"] == len(body)
    assert told["start"] or content_type == JSON


@pytest.mark.parametrize("unit", ["x", '"', "\\", "é", "😀", "\n", "\x01"])
@pytest.mark.parametrize("shift", range(7))
def test_a_cut_never_halves_a_character_and_wastes_nothing(connection, unit, shift):
    text = "a" * shift + unit * CAP_BYTES
    body = json.dumps({"v": text}, ensure_ascii=False).encode()
    told = check(connection, body, JSON, "redacted")
    inner = json.loads(told)["start"].removeprefix('{"v":"')
    assert json.dumps(text, ensure_ascii=False)[1:].startswith(inner)
    assert CAP_BYTES - 8 < len(told.encode()) <= CAP_BYTES


@pytest.mark.parametrize("item", [1, "é", {"é": 1}])
def test_what_fits_the_cap_is_kept_whole_and_one_item_more_is_not(connection, item):
    most = CAP_BYTES // len(f"{json.dumps(item, ensure_ascii=False)}, ".encode())
    for items in ([item] * most, [item] * (most + 1)):
        text = check(connection, dumped(items, ensure_ascii=False), JSON, "full")
        assert (json.loads(text) == items) == (len(items) == most)


def test_a_shortened_body_fills_the_cap_and_no_byte_more():
    for length in range(CAP_BYTES - 100, CAP_BYTES + 1):
        text = shortened("unreadable", "x" * length, 9)
        whole = len('{"unreadable": true, "bytes": 9, "start": ""}') + length
        assert len(text) == min(CAP_BYTES, whole)


def test_a_key_at_the_edge_of_what_is_read_is_not_kept_in_part(connection):
    for back in range(len(KEY) + 2):
        filler = "n" * (READ_BYTES - back - len('{"name":"","x":"'))
        body = json.dumps({"name": filler, "x": KEY, "y": 1}, separators=(",", ":")).encode()
        assert len(body) > READ_BYTES - back
        check(connection, body, JSON, "redacted")
