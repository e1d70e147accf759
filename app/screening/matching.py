"""How alike two names are: parts paired one to one, what is left over counted against."""

from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from app.screening.normalise import Name, is_particle

ALGORITHM = "latchkey-parts/1.0"
"""Name and version of the scoring. It changes when a score may change."""

# Set by measuring on the labelled pairs in tests/screening (see the floor there).
_PART_EDITS = 0.34  # of the longer part's letters may differ; one edit always may
_SHORT_LENGTH = 3
_SHORT_SIMILARITY = 0.6
_INITIAL_SIMILARITY = 0.75
_ONLY_INITIALS = 0.6  # of the score is left where no full part agrees
_CONFLICT_COST = 2.5  # something else stands in its place
_QUERY_EXTRA_COST = 0.4  # the question says more than the list
_LISTED_EXTRA_COST = 0.35  # the list says more than the question
_FORM_CONFLICT = 0.05
JOINED_CUTOFF = 0.88
JOINED_MIN_LENGTH = 4


_Pair = tuple[float, int, int]  # similarity, position in the question's parts, in the listed


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two names are, from 0 to 1, and how many of the question's parts agreed."""

    score: float
    agreed: int
    parts: int


def part_similarity(one: str, other: str) -> float:
    """How alike two parts are, 0 or from about 0.5 to 1; an initial counts for its name."""
    if one == other:
        return 1.0
    if not (_has_spellings(one) and _has_spellings(other)):
        return 0.0
    if len(one) == 1 or len(other) == 1:
        return _INITIAL_SIMILARITY if one[0] == other[0] else 0.0
    return _letters_similarity(one, other)


def _has_spellings(part: str) -> bool:
    """Whether a part may be spelled otherwise; numbers and small words may not."""
    return not (part.isdigit() or is_particle(part))


def _letters_similarity(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    allowed = max(1, int(longer * _PART_EDITS))
    edits = OSA.distance(one, other, score_cutoff=allowed)
    if edits > allowed:
        return 0.0
    if min(len(one), len(other)) <= _SHORT_LENGTH:
        return _SHORT_SIMILARITY if one[0] == other[0] else 0.0
    return 1 - edits / longer


def compare(query: Name, listed: Name) -> Likeness:
    """How alike the name asked about and a listed name are. Not symmetric.

    A part that the list has and the question has not (a second surname) costs less than
    a part with another in its place. Run-together names are compared as one word, too.
    """
    pairs = list(_pairs(query, listed))
    by_parts = _parts_score(query, listed, pairs)
    as_one = _joined_similarity(query, listed)
    agreed = len(query.parts) if as_one > by_parts else len(pairs)
    score = max(by_parts, as_one)
    if as_one < JOINED_CUTOFF and not any(_is_full(query, listed, pair) for pair in pairs):
        score *= _ONLY_INITIALS
    score = max(score - _form_conflict(query, listed), 0.0)
    return Likeness(score, agreed, len(query.parts))


def _parts_score(query: Name, listed: Name, pairs: list[_Pair]) -> float:
    matched = paired = 0.0
    query_left, listed_left = query.total, listed.total
    for similarity, at, listed_at in pairs:
        weight = (query.weights[at] + listed.weights[listed_at]) / 2
        matched += weight * similarity
        paired += weight
        query_left -= query.weights[at]
        listed_left -= listed.weights[listed_at]
    whole = paired + left_over_cost(query_left, listed_left)
    return matched / whole if whole else 0.0


def _is_full(query: Name, listed: Name, pair: _Pair) -> bool:
    """Whether more than an initial agrees, on both sides."""
    _, at, listed_at = pair
    shorter = min(query.parts[at], listed.parts[listed_at], key=len)
    return len(shorter) > 1 or shorter.isdigit() or query.parts == listed.parts


def left_over_cost(query_left: float, listed_left: float) -> float:
    """What unpaired weight costs. Never less when there is more of it on either side."""
    query_left, listed_left = max(query_left, 0.0), max(listed_left, 0.0)
    conflict = min(query_left, listed_left)
    return (
        conflict * _CONFLICT_COST
        + (query_left - conflict) * _QUERY_EXTRA_COST
        + (listed_left - conflict) * _LISTED_EXTRA_COST
    )


def _pairs(query: Name, listed: Name) -> Iterator[_Pair]:
    """The best pairing, the most alike first; equal ones in the order of the names."""
    alike = [
        (-similarity, at, listed_at)
        for at, part in enumerate(query.parts)
        for listed_at, listed_part in enumerate(listed.parts)
        if (similarity := part_similarity(part, listed_part))
    ]
    used: set[int] = set()
    listed_used: set[int] = set()
    for negated, at, listed_at in sorted(alike):
        if at not in used and listed_at not in listed_used:
            used.add(at)
            listed_used.add(listed_at)
            yield -negated, at, listed_at


def _joined_similarity(query: Name, listed: Name) -> float:
    if min(len(query.joined), len(listed.joined)) < JOINED_MIN_LENGTH:
        return 0.0
    if _numbers(query) != _numbers(listed):  # one digit is a small edit, and another thing
        return 0.0
    return OSA.normalized_similarity(query.joined, listed.joined, score_cutoff=JOINED_CUTOFF)


def _numbers(name: Name) -> list[str]:
    return [part for part in name.parts if part.isdigit()]


def _form_conflict(query: Name, listed: Name) -> float:
    both = query.forms and listed.forms
    return _FORM_CONFLICT if both and not query.forms & listed.forms else 0.0
