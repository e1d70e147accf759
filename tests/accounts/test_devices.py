"""What a browser says of itself, in words."""

import pytest

from app.accounts.devices import UNKNOWN, device_name

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("", UNKNOWN),
        ("what nobody knows", UNKNOWN),
        ("\u202eEdge", UNKNOWN),
    ],
)
def test_device_is_named_by_what_is_recognised(user_agent: str, words: str) -> None:
    assert device_name(user_agent) == words


def test_name_that_the_client_makes_up_is_bounded_and_can_be_shown() -> None:
    for made_up in ("A" * 390 + "Bot/1.0", "\x1b[31mEvilBot/1.0", "<b>Evil</b>Bot/1.0"):
        name = device_name(made_up)
        assert len(name) <= 60
        assert name.isprintable()
