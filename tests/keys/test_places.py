"""Where a key was seen, in words that harm nobody."""

import pytest

from app.keys.format import new_key
from app.keys.places import LONGEST_PLACE, place_of

COMMIT = "12345600b9cbe38a219f39a9941c9319b600c002"


@pytest.mark.parametrize(
    ("url", "source", "place"),
    [
        (None, None, None),
        ("", " ", None),
        ("https://github.com/octocat/a/blob/main/foo.txt", "commit",
         "github[.]com/octocat/a/blob/main/foo[.]txt, commit"),
        (f"https://github.com/o/a/blob/{COMMIT}/b", None, "github[.]com/o/a/blob/1234560…/b"),
        (None, "a Slack channel of ours", "a Slack channel of ours"),
        ("javascript:alert(1)", None, "javascript alert(1)"),
        ("HTTPS://user:pw@evil.example/?q=<script>", None, "user pw[at]evil[.]example/?q=?script?"),
        (None, "www.evil.example\r\nBcc: eve@evil.example",
         "www[.]evil[.]example?Bcc  eve[at]evil[.]example"),
        (None, "evil\u3002example \u202egpj", "evil?example ?gpj"),
        ("https://evil%2Eexample/%0a", None, "evil[.]example/"),
    ],
)  # fmt: skip
def test_place_is_no_link_and_no_markup(
    url: str | None, source: str | None, place: str | None
) -> None:
    assert place_of(url, source) == place


def test_place_is_never_longer_than_a_few_lines() -> None:
    place = place_of("https://a.example/" + "b/" * 2000, "c " * 500)
    assert place is not None
    assert len(place) == 2 * LONGEST_PLACE + len(", ")


@pytest.mark.parametrize("form", ["{}", "x{}y", "lk%5f{}", "lk%255f{}", "lk%25255f{}", "{} and {}"])
def test_place_holds_no_key(form: str) -> None:
    key = new_key("live")
    given = form.format(*[key.removeprefix("lk_") if "%" in form else key] * 2)
    place = place_of(f"https://a.example/?{given}", given)
    assert place is not None
    assert key[12:] not in place
    assert key[20:30] not in place
