"""Names as parts that can be compared: one script, one case, titles and company forms apart."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from anyascii import anyascii

Kind = Literal["person", "other"]
"""How a name is read: people have titles; companies, vessels and aircraft have legal forms."""

_DOTTED = re.compile(r"\b[a-z](?:[./][a-z])+\b")
_PART = re.compile(r"[a-z]+|[0-9]+")

_TITLE_WORDS = (
    "mr mrs ms miss dr prof sir president general gen col colonel maj major capt captain "
    "shaikh sheikh shaykh sayyid mullah mawlawi haji hajji"
)
_TITLES = frozenset(_TITLE_WORDS.split())

_PARTICLES = {
    **dict.fromkeys(("bin", "ben", "ibn"), "bin"),
    **dict.fromkeys(("al", "el", "ul"), "al"),
    **dict.fromkeys(("de", "del", "da", "der", "den"), "de"),
    **{part: part for part in ("la", "van", "von", "the", "of", "and", "ud", "din")},
}
"""Small words that tell little, with the spelling that stands for each."""

_FORM_SPELLINGS = {
    "limited": (
        "llc|ltd|limited|limited liability company|gmbh|gesellschaft mit beschrankter haftung"
        "|ooo|obshchestvo s ogranichennoy otvetstvennostyu"
        "|obshchestvo s ogranichennoi otvetstvennostyu|srl|sarl|ltda|limitada|bv|pte|pty|sl"
        "|sp z oo|spzoo|societatea cu raspundere limitata|s de rl de cv|lda"
    ),
    "stock": (
        "jsc|ojsc|pjsc|cjsc|joint stock company|open joint stock company"
        "|public joint stock company|closed joint stock company|ao|oao|pao|zao|ag"
        "|aktiengesellschaft|sa|sociedad anonima|sa de cv|spa|plc|public limited company"
        "|nv|ab|as|se|sas"
    ),
    "corporation": "inc|incorporated|corp|corporation",
    "company": "co|company|cia|compania",
    "partnership": "lp|llp|limited partnership",
}
_FORMS = {
    tuple(spelling.split()): family
    for family, spellings in _FORM_SPELLINGS.items()
    for spelling in spellings.split("|")
}
_LONGEST_FORM = max(map(len, _FORMS))

_PARTICLE_WEIGHT = 0.2
_FULL_WEIGHT_LENGTH = 5
_MAX_WEIGHT_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Name:
    """A name read for comparison. `parts` and `weights` go together, in the name's order."""

    text: str
    parts: tuple[str, ...]
    weights: tuple[float, ...]
    total: float
    joined: str
    forms: frozenset[str]


def fold(text: str) -> str:
    """The text in lower-case ASCII; other scripts are romanised letter by letter."""
    return anyascii(unicodedata.normalize("NFKC", text)).casefold()


def comparable(text: str) -> str:
    """The text itself. Raises ValueError where nothing in it can be compared."""
    if not _PART.search(fold(text)):
        raise ValueError("must contain letters or digits that can be compared")
    return text


def is_particle(part: str) -> bool:
    """Whether this part is one of the small words that tell little (`bin`, `al`, `de`)."""
    return part in _PARTICLES


def canonical(part: str) -> str:
    """The spelling that stands for this part: `ibn` is `bin`; most parts are themselves."""
    return _PARTICLES.get(part, part)


def read_name(text: str, kind: Kind) -> Name:
    """A name's comparable parts, repeated ones once.

    A name of nothing but titles or legal forms keeps them.
    """
    found = _parts(text, kind)
    if kind == "person":
        kept, forms = [part for part in found if part not in _TITLES], frozenset[str]()
    else:
        kept, forms = _without_forms(found)
    parts = tuple(dict.fromkeys(canonical(part) for part in kept or found))
    weights = tuple(map(part_weight, parts))
    return Name(text, parts, weights, sum(weights), "".join(parts), forms)


def _parts(text: str, kind: Kind) -> list[str]:
    folded = fold(text).replace("'", "").replace("`", "").replace("&", " and ")
    if kind == "other":  # A.B.C. is one word for a company, three initials for a person
        folded = _DOTTED.sub(lambda dotted: re.sub(r"[./]", "", dotted[0]), folded)
    return _PART.findall(folded)


def _without_forms(parts: list[str]) -> tuple[list[str], frozenset[str]]:
    kept: list[str] = []
    forms: set[str] = set()
    for phrase, family in _phrases(parts):
        if family:
            forms.add(family)
        else:
            kept.extend(phrase)
    return kept, frozenset(forms)


def _phrases(parts: list[str]) -> Iterator[tuple[list[str], str | None]]:
    """The parts in order, the longest known legal form taken whole, with its family."""
    at = 0
    while at < len(parts):
        for length in range(_LONGEST_FORM, 0, -1):
            phrase = parts[at : at + length]
            if family := _FORMS.get(tuple(phrase)):
                break
        yield phrase, family
        at += len(phrase)


def part_weight(part: str) -> float:
    """How much a part tells, around 1: longer parts more, numbers as a full word."""
    if is_particle(part):
        return _PARTICLE_WEIGHT
    if part.isdigit():
        return 1.0
    return float((min(len(part), _MAX_WEIGHT_LENGTH) / _FULL_WEIGHT_LENGTH) ** 0.3)
