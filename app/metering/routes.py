"""The metered app's routes: their names in the log, and what they cost."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

logger = logging.getLogger(__name__)

DEFAULT_UNITS = 1

MOST_NAMES = 200
"""How many names one API has in the log at most, `(other)` among them."""

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_PARAMETER = re.compile(r"\{[^{}/]+\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its template, its units, and the body fields to mask."""

    template: str
    units: int = DEFAULT_UNITS
    sensitive: frozenset[str] = frozenset()


OTHER = Route("(other)")
"""What a path that no template fits is called."""


@dataclass(frozen=True, slots=True)
class _Path:
    name: str
    pattern: re.Pattern[str]
    by_method: dict[str, Route] = field(default_factory=dict)

    def route(self, method: str) -> Route:
        found = self.by_method.get(method)
        if found is None and method == "HEAD":
            found = self.by_method.get("GET")
        return found or Route(self.name)


class Routes:
    """Finds the route of a request. Paths without parameters come before those with them."""

    def __init__(self, openapi: Mapping[str, Any]):
        """From an OpenAPI document; raises ValueError if an `x-latchkey` in it is wrong.

        Beyond MOST_NAMES the document's later paths are called `(other)` too; what they cost
        and what is sensitive in them still holds.
        """
        self._exact: dict[str, _Path] = {}
        self._with_parameters: list[_Path] = []
        paths: Mapping[str, Mapping[str, Any]] = openapi.get("paths", {})
        names = set(islice(paths, MOST_NAMES - 1))
        if len(names) < len(paths):
            logger.warning("%d paths of the API are called (other)", len(paths) - len(names))
        for template, operations in paths.items():
            name = template if template in names else OTHER.template
            path = _Path(name, _pattern_of(template), _routes_of(template, name, operations))
            if _PARAMETER.search(template):
                self._with_parameters.append(path)
            else:
                self._exact[template] = path
        self._with_parameters.sort(key=lambda path: path.pattern.groups)

    @classmethod
    def of(cls, app: object) -> "Routes":
        """From what the app says of itself by `openapi()`; without it every path is OTHER."""
        return cls(description_of(app))

    def find(self, path: str, method: str) -> Route:
        """The route of this path and method, or OTHER.

        A path that fits with a method that does not keeps its template and costs the default.
        """
        found = self._exact.get(path)
        if found is None:
            found = next(
                (one for one in self._with_parameters if one.pattern.fullmatch(path)), None
            )
        return OTHER if found is None else found.route(method)


def description_of(app: object) -> Mapping[str, Any]:
    """The OpenAPI document that the app gives of itself by `openapi()`, or {}."""
    describe = getattr(app, "openapi", None)
    return cast(Mapping[str, Any], describe()) if callable(describe) else {}


def _pattern_of(template: str) -> re.Pattern[str]:
    """One segment or part of it for each `{name}`; all else literally."""
    return re.compile("([^/]+)".join(re.escape(text) for text in _PARAMETER.split(template)))


def _routes_of(template: str, name: str, operations: Mapping[str, Any]) -> dict[str, Route]:
    return {
        method.upper(): _route_of(template, name, method, operation)
        for method, operation in operations.items()
        if method in METHODS
    }


def _route_of(template: str, name: str, method: str, operation: Mapping[str, Any]) -> Route:
    ours = operation.get("x-latchkey") or {} if isinstance(operation, Mapping) else None
    if not isinstance(ours, Mapping):
        raise ValueError(f"{method} {template}, and x-latchkey in it, must be objects")  # noqa: TRY004  # one error to expect
    units = ours.get("units", DEFAULT_UNITS)
    if isinstance(units, bool) or not isinstance(units, int) or units < 0:
        raise ValueError(f"x-latchkey of {method} {template}: units must be 0 or more")
    sensitive = ours.get("sensitive", ())
    if not isinstance(sensitive, list | tuple) or not all(isinstance(it, str) for it in sensitive):
        raise ValueError(f"x-latchkey of {method} {template}: sensitive must be a list of names")
    return Route(name, units, frozenset(sensitive))
