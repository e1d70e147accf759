"""Where a key was seen, as whoever reported it says: shown to its owner, so made harmless."""

import re
from urllib.parse import unquote

LONGEST_PLACE = 200

_KEY = re.compile(r"(lk_(?:live|trial|root)_[0-9A-Za-z]{4})[0-9A-Za-z]+")
_LONG_WORD = re.compile(r"([0-9A-Za-z]{7})[0-9A-Za-z]{17,}")  # a commit's id, or a key in disguise
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_STRANGE = re.compile(r"[^0-9A-Za-z /_.,:#=+~@()\[\]…-]+")


def place_of(url: str | None, source: str | None) -> str | None:
    """The place in words that hold no key, no markup and nothing that is taken for a link.

    A mail program would make a link of an address, and the mail would vouch for it.
    """
    parts = [_harmless(part) for part in (url, source) if part]
    return ", ".join(part for part in parts if part) or None


def _harmless(text: str) -> str:
    plain = _STRANGE.sub("?", _SCHEME.sub("", unquote(unquote(text)).strip()))
    plain = _LONG_WORD.sub(r"\1…", _KEY.sub(r"\1…", plain))
    plain = plain.replace(":", " ").replace(".", "[.]").replace("@", "[at]")
    return plain if len(plain) <= LONGEST_PLACE else plain[: LONGEST_PLACE - 1] + "…"
