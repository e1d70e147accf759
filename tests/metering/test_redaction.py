import json

import pytest

from app.keys.format import key_start, new_key
from app.metering.redaction import stored_body

SENSITIVE = frozenset({"name", "birth_date"})
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def stored(body, content_type=JSON, *, sensitive=SENSITIVE, mode="redacted"):
    """The stored value, read back; a body that is no bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    text = stored_body(sent, content_type, sensitive=sensitive, mode=mode)
    return None if text is None else json.loads(text)


@pytest.mark.parametrize("mode", ["redacted", "full"])
def test_nothing_is_stored_of_an_empty_body(mode):
    assert stored(b"", mode=mode) is None


def test_nothing_is_stored_where_bodies_are_off():
    assert stored({"a": 1}, mode="off") is None


def test_a_declared_field_is_masked_at_any_depth_and_the_rest_kept():
    body = {"id": 7, "people": [{"name": "Ada", "age": 36}], "note": "x", "ok": True, "no": None}
    people = [{"name": "[masked]", "age": 36}]
    assert stored(body) == {**body, "people": people}


@pytest.mark.parametrize("name", ["NAME", "Birth-Date", "birthDate", "person.name", "person[name]"])
def test_a_declared_name_is_compared_without_case_hyphens_and_underscores(name):
    assert stored({name: "Ada"}) == {name: "[masked]"}


@pytest.mark.parametrize("name", ["rename", "names", "name_of_list", "nam"])
def test_another_name_is_not_masked(name):
    assert stored({name: "Ada"}) == {name: "Ada"}


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "api_key", "apikey", "X-API-Key", "token",
        "accessToken", "client_secret", "password", "new_password", "Cookie", "Set-Cookie",
    ],
)  # fmt: skip
def test_what_is_called_like_a_secret_is_masked_without_being_declared(name):
    assert stored({name: "hunter2"}, sensitive=frozenset()) == {name: "[masked]"}


def test_numbers_of_tokens_are_no_secrets():
    assert stored({"total_tokens": 12, "max_tokens": 9}) == {"total_tokens": 12, "max_tokens": 9}


@pytest.mark.parametrize("value", ["x", 0, False, 1.5, ["x"], {"a": "x"}, [[]]])
def test_any_value_of_a_sensitive_field_is_masked_whole(value):
    assert stored({"name": value}) == {"name": "[masked]"}


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_a_sensitive_field_without_a_value_stays_as_it_is(value):
    assert stored({"name": value}) == {"name": value}


def test_a_value_in_no_field_is_masked_where_fields_are_declared():
    assert stored(["Ada", ["Ada"], {"id": "x"}]) == ["[masked]", ["[masked]"], {"id": "x"}]
    assert stored("Ada") == "[masked]"
    assert stored(["Ada"], sensitive=frozenset()) == ["Ada"]


def test_a_field_whose_name_is_too_long_to_be_one_is_masked():
    assert stored({"n" * 201: "x"}) == {"n" * 201: "[masked]"}


@pytest.mark.parametrize("mode", ["redacted", "full"])
def test_keys_are_cut_in_every_string_and_name_and_in_every_mode(mode):
    key = new_key("live")
    body = {"a": [f"\nuse {key}."], key: 1, "glued": f"x{key}y", "part": key[:-6]}
    cut = f"{key_start(key)}…"
    expected = {"a": [f"\nuse {cut}."], cut: 1, "glued": f"x{cut}", "part": cut}
    assert stored(body, mode=mode, sensitive=frozenset()) == expected


def test_a_key_written_in_escapes_is_cut():
    key = new_key("trial")
    written = "".join(f"\\u{ord(character):04x}" for character in key)
    assert stored(f'{{"a":"{written}"}}'.encode()) == {"a": f"{key_start(key)}…"}


def test_full_masks_no_field():
    body = {"name": "Ada", "password": "hunter2"}
    assert stored(body, mode="full") == body


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json",
        "application/vnd.api+json;v=1", "text/json", "", "text/plain", FORM,
    ],
)  # fmt: skip
def test_json_is_masked_whatever_it_is_said_to_be(content_type):
    assert stored({"name": "Ada", "id": 1}, content_type) == {"name": "[masked]", "id": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_another_encoding_is_masked(encoding):
    body = '{"name":"Ada","id":"é"}'.encode(encoding)
    assert stored(body) == {"name": "[masked]", "id": "é"}


def test_a_declared_charset_is_used_for_names():
    body = '{"prénom":"Ada"}'.encode("latin-1")
    content_type = "application/json; charset=ISO-8859-1"
    assert stored(body, content_type, sensitive=frozenset({"prénom"})) == {"prénom": "[masked]"}


def test_a_form_is_an_object_masked_alike():
    body = b"name=Ada+L&id=1&id=2&note=%C3%A9+x&empty=&user%5Bpassword%5D=x"
    expected = {"name": "[masked]", "id": ["1", "2"], "note": "é x", "empty": ""}
    assert stored(body, FORM) == {**expected, "user[password]": "[masked]"}


def test_a_key_in_a_form_is_cut_also_percent_encoded():
    key = new_key("live")
    body = f"a={key.replace('_', '%5F')}".encode()
    assert stored(body, FORM) == {"a": f"{key_start(key)}…"}


def test_what_is_no_field_of_a_form_is_masked_where_fields_are_declared():
    assert stored(b"Ada Lovelace&id=1", FORM) == {"": "[masked]", "id": "1"}
    assert stored(b"flag&id=1", FORM, sensitive=frozenset()) == {"flag": "", "id": "1"}


def test_text_is_a_string():
    key = new_key("live")
    body = f"é {key}".encode()
    assert stored(body, "text/plain", sensitive=frozenset()) == f"é {key_start(key)}…"
    latin = "é".encode("latin-1")
    assert stored(latin, "text/plain; charset=iso-8859-1", sensitive=frozenset()) == "é"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_text_has_no_fields_and_is_left_out_where_fields_are_declared(content_type):
    told = {"masked": {"bytes": 16, "content_type": content_type}}
    assert stored(b"<name>Ada</name>", content_type) == told
    assert stored(b"<name>Ada</name>", content_type, mode="full") == "<name>Ada</name>"


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (b"abc", "image/png", "image/png"),
        (b"abc", "multipart/form-data; boundary=x", "multipart/form-data"),
        (b"\xff\xfe\xfa", "text/plain", "text/plain"),
        (b"a\0b", "text/plain", "text/plain"),
        (b"a\0b", "", ""),
        (b"abc", "no type", ""),
    ],
)
def test_anything_else_is_a_digest(body, content_type, name):
    found = stored(body, content_type, sensitive=frozenset())["binary"]
    assert (found["bytes"], found["content_type"]) == (len(body), name)
    assert len(found["sha256"]) == 64


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"\\u0000x"', "�x"),
        ('"\\\\u0000"', "\\u0000"),
        ('"\\\\\\u0000"', "\\�"),
        ('"\\ud800x"', "�x"),
        ('"\\ud83d\\n\\ude00"', "�\n�"),
        ('"\\ud83d\\ude00"', "😀"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e400000", "Infinity"),
        ("1e300", "1e+300"),
        ("[1e-9,0.5,-0.0,12345678901234567890123]", ["1e-09", 0.5, 0, 12345678901234567890123]),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_what_jsonb_refuses_is_stored_as_something_like_it(sent, kept):
    body = f'{{"v":{sent}}}'.encode()
    assert stored(body) == {"v": kept}


def test_invalid_utf_8_is_replaced():
    assert stored(b'{"a":"\xff","name":"\xff"}') == {"a": "�", "name": "[masked]"}


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (b'{"id":1,"name":"Ada",oops "Ada"}', '{"id":1,"name":"[masked]"}'),
        (b'{"note":"said "Ada", no"}', '{"note":"said "}'),
        (b'{"id":1} {"name":"Ada"}', '{"id":1}'),
        (b"{'name':'Ada'}", "{}"),
        (b'{"name":"Ada', "{}"),
        (b'{"name":"Ada\x01b"}', '{"name":"[masked]"}'),
        (b'{"n":' + b"1" * 5000 + b"}", ""),
        (b"[" * 10_000, ""),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, ""),
        (b"  ", ""),
    ],
)
def test_of_broken_json_only_what_comes_before_the_break_is_kept(body, start):
    assert stored(body) == {"unreadable": True, "bytes": len(body), "start": start}


def test_nothing_of_a_screening_tells_who_was_screened():
    from app.screening import examples
    from app.screening.schemas import SENSITIVE_FIELDS

    sensitive = frozenset(SENSITIVE_FIELDS)
    question, answer = (
        stored_body(json.dumps(body).encode(), JSON, sensitive=sensitive, mode="redacted")
        for body in (examples.REQUEST, examples.ANSWER)
    )
    told = (question + answer).lower()
    assert not [word for word in ("maduro", "1962", '"ve"', "22790", "venez") if word in told]
    kept = json.loads(answer)
    assert (kept["client_ref"], kept["lists"][0]["version"]) == ("customer-4711", "sample-1")
    assert kept["results"][0]["score"] == examples.ANSWER["results"][0]["score"]
    assert kept["results"][0]["explanations"] == examples.ANSWER["results"][0]["explanations"]
