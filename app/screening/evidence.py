"""What else is known of a subject, and how far it moves the score of its name.

Names decide; a birth date or a country only moves the score a little, so that an exact
name stays above the usual thresholds whatever else disagrees. The same identifier
counts whatever the names say. Details never repeat what the caller sent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_SAME_DAY, _SAME_YEAR, _OTHER_YEAR = 0.06, 0.03, -0.15
_SAME_COUNTRY, _OTHER_COUNTRY = 0.02, -0.05
MOST_GAIN = _SAME_DAY + _SAME_COUNTRY
"""The most that dates and countries together can add."""

_FULL_DATE_LENGTH = len("1962-11-23")
_IDENTIFIER_FLOOR = 0.9
MIN_IDENTIFIER_LENGTH = 5
"""Shorter identifiers tell nothing: too many are the same by chance."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing compared: how alike it is (0 to 1), in words, and what it adds."""

    feature: Literal["birth_date", "country", "identifier"]
    score: float
    detail: str
    change: float


def compare_birth_dates(asked: str | None, listed: Iterable[str]) -> Evidence | None:
    """The best agreement with any listed date (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`)."""
    if asked is None:
        return None
    found = [_compare_dates(asked, date) for date in listed]
    return max(found, key=lambda evidence: evidence.change, default=None)


def _compare_dates(asked: str, listed: str) -> Evidence:
    known = min(len(asked), len(listed))
    apart = abs(int(asked[:4]) - int(listed[:4]))
    if asked[:known] == listed[:known] and known == _FULL_DATE_LENGTH:
        return Evidence("birth_date", 1.0, "The same day of birth.", _SAME_DAY)
    if asked[:known] == listed[:known]:
        return Evidence("birth_date", 0.8, "Agrees as far as both are known.", _SAME_YEAR)
    if apart == 0:
        return Evidence("birth_date", 0.6, "The same year, another day.", 0.0)
    if apart == 1:
        return Evidence("birth_date", 0.4, "One year apart.", 0.0)
    return Evidence("birth_date", 0.0, "Born in another year.", _OTHER_YEAR)


def compare_countries(asked: Iterable[str], listed: Iterable[str]) -> Evidence | None:
    """Whether any country is the same; nothing, where either side names none."""
    asked, listed = set(asked), set(listed)
    if not asked or not listed:
        return None
    if asked & listed:
        return Evidence("country", 1.0, "A country is the same.", _SAME_COUNTRY)
    return Evidence("country", 0.0, "No country is the same.", _OTHER_COUNTRY)


def fold_identifier(text: str) -> str:
    """An identifier's letters and digits, in one case; `IMO 9187629` is `9187629`."""
    folded = re.sub(r"[^0-9A-Z]", "", text.upper())
    return re.sub(r"^IMO(?=\d{7}$)", "", folded)


def identifier_score(name_score: float) -> float:
    """The score where an identifier is the same: from 0.9, and 1 where the name is, too."""
    return _IDENTIFIER_FLOOR + (1 - _IDENTIFIER_FLOOR) * name_score
