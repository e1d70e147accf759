"""Bracketed forms, and complaints about what is in them."""

import pytest

from app.sandbox.errors import InvalidRequest
from app.sandbox.forms import Params, parse_form


def test_brackets_nest_and_lists_keep_their_order() -> None:
    tree = parse_form("items[1][price]=b&items[0][price]=a&metadata[k]=v&expand[]=x&expand[]=y&e=")
    params = Params(tree)
    assert [row.text("price") for row in params.rows("items")] == ["a", "b"]
    assert params.metadata() == {"k": "v"}
    assert params.words("expand") == ["x", "y"]
    assert params.text("e") == ""
    assert params.text("missing") is None
    params.refuse_unknown()


def test_unknown_parameter_is_named_with_its_path() -> None:
    inner = Params(parse_form("a[b]=1&a[c]=2")).inner("a")
    inner.text("b")
    with pytest.raises(InvalidRequest) as caught:
        inner.refuse_unknown()
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "a[c]")


@pytest.mark.parametrize(
    "sent",
    [
        "a=1&a[b]=2",
        "a%00=1",
        "a=%00",
        "a[b][c][d][e][f][g]=1",
        "&".join(f"a{n}=1" for n in range(1_001)),
    ],
)
def test_forms_that_make_no_sense_are_refused(sent: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_form(sent)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("n=x", lambda params: params.integer("n")),
        ("n=yes", lambda params: params.boolean("n")),
        ("n=x", lambda params: params.choice("n", ["a"], "a")),
        ("n[a]=x", lambda params: params.text("n")),
        ("", lambda params: params.need("n")),
        ("n=", lambda params: params.need("n")),
    ],
)
def test_wrong_value_is_refused_by_its_name(sent: str, read) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(Params(parse_form(sent)))
    assert (caught.value.param or "n") == "n"


def test_empty_metadata_value_takes_the_key_away_and_empty_metadata_all() -> None:
    before = {"a": "1", "b": "2"}
    assert Params(parse_form("metadata[a]=")).metadata(before) == {"b": "2"}
    assert Params(parse_form("metadata=")).metadata(before) == {}
    assert Params(parse_form("x=1")).metadata(before) == before
