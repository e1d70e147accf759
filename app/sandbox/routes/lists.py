"""Lists as Stripe pages them, newest first, and objects filled into objects."""

from collections.abc import Mapping
from typing import Any

from app.sandbox.books import Books
from app.sandbox.document import Json
from app.sandbox.errors import InvalidRequest, ResourceMissing
from app.sandbox.forms import Params

_DEFAULT_LIMIT, _HIGHEST_LIMIT = 10, 100
_DEEPEST_EXPAND = 4
_NUMBER_OF = '(SELECT number FROM latchkey."SandboxDocument" WHERE id = :{})'
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


async def page_of(
    books: Books, kind: str, params: Params, url: str, filters: Mapping[str, Any] | None = None
) -> Json:
    """A page of the documents of this kind; `filters` are SQL conditions on `:value`."""
    conditions, values = ["kind = :kind"], {"kind": kind}
    for place, (condition, value) in enumerate((filters or {}).items()):
        if value is not None and value != "":
            conditions.append(condition.replace(":value", f":value_{place}"))
            values[f"value_{place}"] = value
    order = await _page_conditions(books, params, conditions, values)
    limit = page_limit(params)
    found = await books.select(" AND ".join(conditions), values, order=order, limit=limit + 1)
    rows = [document.object for document in found[:limit]]
    if order == "number":
        rows.reverse()
    return {"object": "list", "data": rows, "has_more": len(found) > limit, "url": url}


def page_limit(params: Params) -> int:
    """How many are wanted. Raises InvalidRequest outside of 1 to 100."""
    limit = params.integer("limit")
    limit = _DEFAULT_LIMIT if limit is None else limit
    if not 1 <= limit <= _HIGHEST_LIMIT:
        raise InvalidRequest(f"Invalid limit: must be 1 to {_HIGHEST_LIMIT}.", param="limit")
    return limit


async def _page_conditions(
    books: Books, params: Params, conditions: list[str], values: dict[str, Any]
) -> str:
    """Add where the page begins, and when things were made; the order to read in."""
    after, before = params.text("starting_after"), params.text("ending_before")
    for name, border, sign in (("starting_after", after, "<"), ("ending_before", before, ">")):
        if border:
            if await books.find(border) is None:
                raise ResourceMissing("object", border, param=name)
            conditions.append(f"number {sign} {_NUMBER_OF.format(name)}")
            values[name] = border
    created = params.inner("created")
    for word, sign in _COMPARISONS.items():
        moment = created.integer(word)
        if moment is not None:
            conditions.append(f"CAST(object->>'created' AS bigint) {sign} :created_{word}")
            values[f"created_{word}"] = moment
    return "number" if before else "number DESC"


async def expand(books: Books, answer: Json, paths: list[str]) -> Json:
    """The answer with the objects themselves in place of their ids, along the paths."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEEPEST_EXPAND + (parts[0] == "data"):
            raise InvalidRequest(
                f"You cannot expand more than {_DEEPEST_EXPAND} levels of a property: {path}",
                param="expand",
            )
        answer = await _expanded(books, answer, parts, path)
    return answer


async def _expanded(books: Books, value: Any, parts: list[str], path: str) -> Any:
    if isinstance(value, list):
        return [await _expanded(books, one, parts, path) for one in value]
    if isinstance(value, str):
        found = await books.find(value)
        value = found.object if found else value
    if not parts or value is None:
        return value
    name, *rest = parts
    if not isinstance(value, dict) or name not in value:
        raise InvalidRequest(
            f"This property cannot be expanded ({path}).",
            code="property_not_expandable",
            param="expand",
        )
    return {**value, name: await _expanded(books, value[name], rest, path)}
