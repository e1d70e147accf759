"""Texts that a provider tells of a person."""

from typing import Any

LONGEST_TEXT = 200


def short_text(told: Any) -> str | None:
    """The text on one line, or None for what is none, is empty, too long or not printable."""
    if not isinstance(told, str):
        return None
    text = " ".join(told.split())
    return text if 0 < len(text) <= LONGEST_TEXT and text.isprintable() else None
