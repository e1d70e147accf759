"""Finding, among many listed names, the few that can reach a score."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from app.screening.matching import (
    JOINED_CUTOFF,
    JOINED_MIN_LENGTH,
    left_over_cost,
    part_similarity,
)
from app.screening.normalise import Name, is_particle, part_weight

_CUTOFF = 0.66  # the least similarity that part_similarity still counts,
_SHORT_CUTOFF = 0.5  # and between parts of two letters
_SHORT_LENGTH = 2
_TELLING_SHARE = 2 / 3


@dataclass(slots=True)
class _Reach:
    """The most that one listed name can have in common with the question, as weights."""

    matched: float = 0.0
    query: float = 0.0
    listed: float = 0.0


class NameIndex:
    """Listed names by their parts. `search` gives positions in the sequence it was made of."""

    def __init__(self, names: Sequence[Name]):
        self._names = names
        self._where: dict[str, list[int]] = defaultdict(list)
        for at, name in enumerate(names):
            for part in dict.fromkeys(name.parts):
                self._where[part].append(at)
        self._vocabulary = _Spellings(list(self._where))
        self._initials = [part for part in self._where if len(part) == 1]
        self._particles = [_particle_weight(name) for name in names]
        self._written: dict[str, list[int]] = defaultdict(list)
        for at, name in enumerate(names):
            self._written[name.joined].append(at)
        self._joined = _Spellings(list(self._written))

    def search(self, query: Name, at_least: float) -> list[int]:
        """Every name that scores `at_least`, in order, and some that score less.

        Names with nothing but small words in common may be missed where they score
        under 0.56.
        """
        found = {
            at
            for at, reach in self._reaches(query).items()
            if self._bound(query, at, reach) >= at_least
        }
        found.update(self._run_together(query))
        return sorted(found)

    def _reaches(self, query: Name) -> dict[int, _Reach]:
        """What each name has in common, found by the parts that tell something."""
        reaches: dict[int, _Reach] = defaultdict(_Reach)
        for part in _telling(query):
            weight = part_weight(part)
            for at, (matched, listed) in self._best_by_name(part, weight).items():
                reach = reaches[at]
                reach.matched += matched
                reach.query += weight
                reach.listed += listed
        return reaches

    def _best_by_name(self, part: str, weight: float) -> dict[int, tuple[float, float]]:
        """The most this part can match, and the most it can pair, in each name."""
        best: dict[int, tuple[float, float]] = {}
        for other in self._alike(part):
            if similarity := part_similarity(part, other):
                listed = part_weight(other)
                matched = similarity * (weight + listed) / 2
                for at in self._where[other]:
                    known = best.get(at, (0.0, 0.0))
                    best[at] = (max(matched, known[0]), max(listed, known[1]))
        return best

    def _alike(self, part: str) -> list[str]:
        if is_particle(part) or part.isdigit():
            return [part] if part in self._where else []
        if len(part) == 1:
            return [other for other in self._where if other[0] == part]
        cutoff = _SHORT_CUTOFF if len(part) <= _SHORT_LENGTH else _CUTOFF
        return self._vocabulary.alike(part, cutoff) + self._initials

    def _bound(self, query: Name, at: int, reach: _Reach) -> float:
        """No less than the name's score: small words count as if they all agreed."""
        particles = _particle_weight(query)
        matched = reach.matched + max(particles, self._particles[at])
        cost = left_over_cost(
            query.total - reach.query - particles,
            self._names[at].total - reach.listed - self._particles[at],
        )
        return matched / (matched + cost)

    def _run_together(self, query: Name) -> list[int]:
        """The names that read alike when written as one word."""
        if len(query.joined) < JOINED_MIN_LENGTH:
            return []
        alike = self._joined.alike(query.joined, JOINED_CUTOFF)
        return [at for written in alike for at in self._written[written]]


class _Spellings:
    """Distinct words, sorted by length so that only those long enough are compared."""

    def __init__(self, words: list[str]):
        self._words = sorted(words, key=len)
        self._lengths = [len(word) for word in self._words]

    def alike(self, word: str, cutoff: float) -> list[str]:
        """The words whose letters are like this one's, from `cutoff` up to 1."""
        shortest = bisect_left(self._lengths, int(len(word) * cutoff))
        longest = bisect_right(self._lengths, int(len(word) / cutoff) + 1)
        found = process.extract(
            word,
            self._words[shortest:longest],
            scorer=OSA.normalized_similarity,
            score_cutoff=cutoff,
            limit=None,
        )
        return [other for other, _, _ in found]


def _telling(query: Name) -> list[str]:
    """The distinct parts to look names up by: without small words, if enough is left."""
    telling = [part for part in query.parts if not is_particle(part)]
    share = 1 - _particle_weight(query) / query.total
    return list(dict.fromkeys(telling if share >= _TELLING_SHARE else query.parts))


def _particle_weight(name: Name) -> float:
    parts = zip(name.parts, name.weights, strict=True)
    return sum(weight for part, weight in parts if is_particle(part))
