"""Which key a request holds."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys.format import new_key
from app.metering.credentials import Credentials, read_credentials, without_key

KEY = new_key("live")
OTHER_KEY = new_key("trial")


def credentials(
    *headers: tuple[str, str], path: str = "/api/v1/screen", query: str = ""
) -> Credentials:
    return read_credentials(
        {
            "type": "http",
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers
            ],
        }
    )


def code(found: Credentials) -> str | None:
    return found.refusal.code if found.refusal else None


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {KEY}"),
        ("Authorization", f"bearer   {KEY} "),
        ("X-API-Key", KEY),
        ("X-API-Key", f" {KEY} "),
    ],
)
def test_key_is_read_from_either_header(header: tuple[str, str]) -> None:
    assert credentials(header) == Credentials(KEY)


def test_same_key_in_both_headers_is_one_key() -> None:
    assert credentials(("Authorization", f"Bearer {KEY}"), ("X-API-Key", KEY)) == Credentials(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {KEY}"), ("X-API-Key", OTHER_KEY)],
        [("X-API-Key", KEY), ("X-API-Key", OTHER_KEY)],
        [("Authorization", f"Bearer {KEY}"), ("X-API-Key", "lk_live_mistyped")],
        [("Authorization", "Bearer one"), ("X-API-Key", "another")],
    ],
)
def test_two_different_keys_conflict(headers: list[tuple[str, str]]) -> None:
    assert code(credentials(*headers)) == "conflicting_keys"


def test_token_of_another_system_beside_our_key_is_no_conflict() -> None:
    found = credentials(("Authorization", "Bearer eyJhbGciOi"), ("X-API-Key", KEY))
    assert found == Credentials(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer  ")],
        [("X-API-Key", " ")],
        [("Authorization", "Basic dXNlcjpwYXNz")],
    ],
)
def test_request_without_key_is_missing_one(headers: list[tuple[str, str]]) -> None:
    found = credentials(*headers)
    assert (found.key, code(found)) == (None, "missing_key")


@pytest.mark.parametrize(
    "query", [KEY, f"key={KEY}", f"a=1&key={KEY}&b=2", f"key=%20{KEY}", f"key={KEY}%41"]
)
def test_key_in_query_is_refused(query: str) -> None:
    found = credentials(query=query)
    assert (found.key, code(found)) == (KEY, "key_in_url")


def test_key_in_path_is_refused() -> None:
    assert code(credentials(path=f"/api/v1/things/{KEY}")) == "key_in_url"


def test_key_in_query_is_refused_beside_a_key_in_a_header() -> None:
    found = credentials(("X-API-Key", KEY), query=f"key={OTHER_KEY}")
    assert (found.key, code(found)) == (KEY, "key_in_url")


@given(st.lists(st.booleans(), min_size=len(KEY), max_size=len(KEY)))
def test_percent_encoding_hides_no_key(encoded: list[bool]) -> None:
    query = "key=" + "".join(
        f"%{ord(char):02x}" if hide else char for char, hide in zip(KEY, encoded, strict=True)
    )
    assert code(credentials(query=query)) == "key_in_url"


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_no_header_value_upsets_the_reading(value: str) -> None:
    credentials(("Authorization", value), ("X-API-Key", value), query=quote(value))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"x-api-key", b"accept"]),
            st.sampled_from([KEY, f"Bearer {KEY}", f"Bearer  {KEY} ", f" {KEY} ", "else"]),
        )
    )
)
def test_inner_app_gets_no_header_that_carried_the_key(headers: list[tuple[bytes, str]]) -> None:
    raw = [(name, value.encode()) for name, value in headers if name != b"accept"]
    kept = without_key([*raw, (b"accept", b"*/*")], KEY)
    assert (b"accept", b"*/*") in kept
    assert read_credentials({"path": "/", "headers": kept}).key != KEY
