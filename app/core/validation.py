"""What pydantic says of a wrong question, in words that never repeat the input."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_MOST_FIELDS = 20
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def problems_by_field(errors: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Field to problem, at most 20 of them.

    An unknown field is named only if its name looks like one: anything may stand there.
    """
    found: dict[str, str] = {}
    for error in errors:
        if len(found) == _MOST_FIELDS:
            break
        found.setdefault(_field(error), _words(error))
    return found


def _field(error: Mapping[str, Any]) -> str:
    places = [str(place) for place in error["loc"] if place != "body"]
    if error["type"] == "extra_forbidden" and not _PLAIN_NAME.fullmatch(places[-1]):
        places[-1] = "(unknown)"
    return ".".join(places) or "body"


def _words(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "There is no such field."
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"{words[:1].upper()}{words[1:]}."
