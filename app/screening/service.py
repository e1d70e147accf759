"""Screening one subject: which listed entities it may be, and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.core.errors import InvalidRequest
from app.screening.evidence import (
    MOST_GAIN,
    Evidence,
    compare_birth_dates,
    compare_countries,
    fold_identifier,
    identifier_score,
)
from app.screening.lists import Entity, Watchlist
from app.screening.matching import Likeness, compare
from app.screening.normalise import Kind, read_name
from app.screening.schemas import Explanation, ListInfo, LoadedList, ScreenRequest, ScreenResult

_QUICK_WORK = 40_000
"""Letters asked times entities listed: about 3 ms of work, and the event loop's to spare."""

_LEAST_NAME_SCORE = 0.4  # below, names have no more in common than any two
_NOTHING_ALIKE = Likeness(0.0, 0, 0)
_SAME_IDENTIFIER = Evidence("identifier", 1.0, "An identifier is the same.", 0.0)


@dataclass(frozen=True, slots=True)
class _NameHit:
    """How alike an entity's best name is, and which name that is."""

    likeness: Likeness
    matched_name: str


def choose_lists(request: ScreenRequest, loaded: Sequence[Watchlist]) -> list[Watchlist]:
    """The lists that are asked for, in the order they are loaded; all, if none is named.

    Raises InvalidRequest where a name is that of no list.
    """
    known = {watchlist.name for watchlist in loaded}
    fields = {
        f"lists.{at}": "There is no such list. GET /api/v1/lists names those there are."
        for at, name in enumerate(request.lists)
        if name not in known
    }
    if fields:
        raise InvalidRequest(fields=fields)
    return [one for one in loaded if not request.lists or one.name in request.lists]


def list_info(watchlist: Watchlist) -> ListInfo:
    """Which state of a list this is."""
    return ListInfo(
        name=watchlist.name,
        version=watchlist.version,
        sha256=watchlist.sha256,
        loaded_at=watchlist.loaded_at,
        entities=len(watchlist.entities),
    )


def loaded_list(watchlist: Watchlist) -> LoadedList:
    """The same, with its age and source."""
    return LoadedList(
        **list_info(watchlist).model_dump(),
        age_seconds=watchlist.age_seconds,
        source=watchlist.source,
    )


def is_quick(request: ScreenRequest, watchlists: Iterable[Watchlist]) -> bool:
    """Whether screening takes so little that a thread would only make it slower."""
    letters = sum(map(len, (request.name, *request.aliases)))
    return letters * sum(len(one.entities) for one in watchlists) <= _QUICK_WORK


def screen(request: ScreenRequest, watchlists: Iterable[Watchlist]) -> list[ScreenResult]:
    """The entities that reach the threshold, best first, at most `limit` of them.

    The same question to the same lists gives the same answer: equal scores are in the
    order of list and id.
    """
    found = [result for watchlist in watchlists for result in _screen_list(request, watchlist)]
    found.sort(key=lambda result: (-result.score, result.list, result.entity_id))
    return found[: request.limit]


def _screen_list(request: ScreenRequest, watchlist: Watchlist) -> Iterator[ScreenResult]:
    hits = _name_hits(request, watchlist)
    same_identifier = _same_identifier(request, watchlist)
    for at in sorted(hits.keys() | same_identifier):
        entity = watchlist.entities[at]
        if entity.id in request.exclude_ids or request.type not in {"any", entity.type}:
            continue
        hit = hits.get(at) or _NameHit(_NOTHING_ALIKE, entity.name)
        result = _result(request, watchlist.name, entity, hit, at in same_identifier)
        if result.match:
            yield result


def _name_hits(request: ScreenRequest, watchlist: Watchlist) -> dict[int, _NameHit]:
    """The best name of every entity that may reach the threshold, by its position."""
    best: dict[int, _NameHit] = {}
    at_least = max(request.threshold - MOST_GAIN, _LEAST_NAME_SCORE)
    for kind in _kinds(request):
        listed = watchlist.listed[kind]
        for text in dict.fromkeys((request.name, *request.aliases)):
            query = read_name(text, kind)
            for at in listed.index.search(query, at_least):
                likeness, owner = compare(query, listed.names[at]), listed.owners[at]
                known = best.get(owner)
                if likeness.score >= at_least and _is_better(likeness, known):
                    best[owner] = _NameHit(likeness, listed.names[at].text)
    return best


def _is_better(likeness: Likeness, known: _NameHit | None) -> bool:
    return known is None or likeness.score > known.likeness.score


def _kinds(request: ScreenRequest) -> tuple[Kind, ...]:
    if request.type == "any":
        return ("person", "other")
    return ("person",) if request.type == "person" else ("other",)


def _same_identifier(request: ScreenRequest, watchlist: Watchlist) -> set[int]:
    asked = map(fold_identifier, request.identifiers)
    return {at for identifier in asked for at in watchlist.by_identifier.get(identifier, ())}


def _result(
    request: ScreenRequest, list_name: str, entity: Entity, hit: _NameHit, same_identifier: bool
) -> ScreenResult:
    known = [
        compare_birth_dates(request.birth_date, entity.birth_dates),
        compare_countries(request.countries, entity.countries),
        _SAME_IDENTIFIER if same_identifier else None,
    ]
    evidence = [piece for piece in known if piece]
    score = _score(hit.likeness.score, evidence)
    return ScreenResult(
        list=list_name,
        entity_id=entity.id,
        name=entity.name,
        matched_name=hit.matched_name,
        type=entity.type,
        score=score,
        match=score >= request.threshold,
        explanations=(_explain_name(entity, hit), *map(_explain, evidence)),
        programs=entity.programs,
        birth_dates=entity.birth_dates,
        countries=entity.countries,
    )


def _score(name_score: float, evidence: list[Evidence]) -> float:
    score = name_score + sum(piece.change for piece in evidence)
    if _SAME_IDENTIFIER in evidence:
        score = max(score, identifier_score(name_score))
    return round(min(max(score, 0.0), 1.0), 4)


def _explain_name(entity: Entity, hit: _NameHit) -> Explanation:
    likeness = hit.likeness
    where = "the name" if hit.matched_name == entity.name else "an alias"
    if likeness.parts:
        detail = f"{likeness.agreed} of {likeness.parts} parts agree with {where} on the list."
    else:
        detail = "The names have too little in common to compare."
    return Explanation(feature="name", score=round(likeness.score, 4), detail=detail)


def _explain(piece: Evidence) -> Explanation:
    return Explanation(feature=piece.feature, score=piece.score, detail=piece.detail)
