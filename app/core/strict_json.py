"""JSON as RFC 8259 has it, and nothing that two programs could read differently."""

import json
from typing import Any, NoReturn

from app.core.errors import LatchkeyError


class MalformedJson(LatchkeyError):
    """The body is no JSON, or ambiguous."""

    status = 400
    code = "malformed_json"
    title = "Malformed JSON"
    default_detail = "The body is not valid JSON. Send one JSON object, in UTF-8."


class UnsupportedMediaType(LatchkeyError):
    """The body is not said to be JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"
    default_detail = "Send JSON in UTF-8, with the header Content-Type: application/json."


def check_content_type(value: str | None) -> None:
    """Raises UnsupportedMediaType unless it is `application/json`, in UTF-8 if it says."""
    media_type, *parameters = [piece.strip().lower() for piece in (value or "").split(";")]
    charsets = [piece[8:].strip('"') for piece in parameters if piece.startswith("charset=")]
    if media_type != "application/json" or any(name not in _UTF8 for name in charsets):
        raise UnsupportedMediaType


_UTF8 = frozenset({"utf-8", "utf8"})


def parse_json(body: bytes) -> Any:
    """The value of a JSON document. Raises MalformedJson.

    Refused beside plain syntax errors: `NaN` and `Infinity`, a name given twice in one
    object, nesting or numbers beyond what Python reads, anything but UTF-8.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
        )
    except MalformedJson:
        raise
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise MalformedJson from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedJson("The body names a field twice in one object. Send each once.")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise MalformedJson("NaN and Infinity are not JSON. Send numbers or null.")
