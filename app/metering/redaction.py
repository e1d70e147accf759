"""Bodies as they are stored: sensitive values masked, keys cut, bounded, and always valid jsonb.

Masking goes by the names of fields, so text that has no fields (nor is JSON in disguise) is
left out where an API declares sensitive fields, and so are values that stand in no field.
JSON inside of a string is text: there keys are cut, and nothing is masked.
"""

import codecs
import hashlib
import json
import re
from typing import Any, Literal
from urllib.parse import unquote_plus

from pydantic_core import from_json

from app.metering.jsonb_text import CAP_BYTES, json_text, shortened, stored_json, without_keys
from app.metering.media import LONGEST_CONTENT_TYPE, Media, media_of
from app.metering.sensitive_names import NO_NAMES, SensitiveNames, masked, names_of

Mode = Literal["redacted", "off", "full"]

READ_BYTES = 24 * 1024
"""Of larger bodies no more is looked at: more than the cap, as masking makes them shorter."""

_MOST_FORM_FIELDS = 500
_PLAIN = frozenset({str, int, bool, type(None)})
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-4, 1e16

_LOOKS_LIKE_JSON = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+[{\[]")
_SURROGATE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair, which is well
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def stored_body(
    body: bytes, content_type: str, *, sensitive: frozenset[str], mode: Mode
) -> str | None:
    """JSON text for the column, at most 16 KiB of it; None where there is nothing to store.

    JSON and forms keep their shape; text is a string; other bodies are
    `{"binary": {"bytes", "sha256", "content_type"}}`. Whatever is longer is `{"truncated": true,
    "bytes", "start"}`, and JSON that is none `{"unreadable": true, "bytes", "start"}`.
    `full` masks no field, but cuts keys all the same. Never raises.
    """
    if mode == "off" or not body:
        return None
    names = names_of(sensitive) if mode == "redacted" else NO_NAMES
    media = media_of(content_type[:LONGEST_CONTENT_TYPE])
    if media.kind == "json":
        return _json(body, media, names)
    # curl says "form" of everything unless told otherwise
    if media.kind != "binary" and _LOOKS_LIKE_JSON.match(body, 0, READ_BYTES):
        return _json(body, media, names)
    if media.kind == "form":
        return _form(body, names)
    return _digest(body, media) if media.kind == "binary" else _text(body, media, names)


def _json(body: bytes, media: Media, names: SensitiveNames) -> str:
    if len(body) <= READ_BYTES:
        try:
            value = from_json(body, cache_strings="keys")
            if _is_plain_text(body) and _is_clean(value, names):
                return body.decode()  # as nearly always: half the time of writing it anew
            return stored_json(_redacted(value, names), len(body))
        except ValueError:
            pass  # not UTF-8, or with a lone surrogate, or no JSON at all
    return _part_of_json(body, _json_characters(body, media), names)


def _is_plain_text(body: bytes) -> bool:
    """Whether JSON of this text holds no key and no escape, and is under the cap however stored."""
    return len(body) <= CAP_BYTES // 2 and b"\\" not in body and b"lk_" not in body


def _is_clean(value: Any, names: SensitiveNames) -> bool:
    """Whether `_redacted` would surely change nothing."""
    if names.has_declared and not isinstance(value, dict):
        return False
    return _is_clean_in_fields(value, names)


def _is_clean_in_fields(value: Any, names: SensitiveNames) -> bool:
    """As deep as the parser goes: 200 levels."""
    if type(value) in _PLAIN:
        return True
    if isinstance(value, dict):
        if not names.harmless.issuperset(value) and any(map(names.__getitem__, value)):
            return False
        return _PLAIN.issuperset(map(type, value.values())) or all(
            type(item) in _PLAIN or _is_clean_in_fields(item, names) for item in value.values()
        )
    if isinstance(value, list):
        return all(_is_clean_in_fields(item, names) for item in value)
    return value != 0 and _storable(value) is value  # of zero it is not known how it was written


def _part_of_json(body: bytes, text: str, names: SensitiveNames) -> str:
    """What can be read of JSON that is too long, in another encoding, or broken."""
    is_whole = len(body) <= READ_BYTES
    try:
        value = from_json(text, allow_partial=False if is_whole else "trailing-strings")
    except ValueError:
        return shortened("unreadable", _start_of_broken(text, names), len(body))
    return stored_json(_redacted(value, names), len(body), is_whole=is_whole)


def _json_characters(body: bytes, media: Media) -> str:
    """The first READ_BYTES as text that a strict parser takes, in whatever encoding it came."""
    codec = media.codec or json.detect_encoding(body)
    text = codecs.getincrementaldecoder(codec)("replace").decode(body[:READ_BYTES])
    if "\\u" not in text:
        return text
    return _SURROGATE.sub(lambda match: "\ufffd" if match[1] else match[0], text)


def _start_of_broken(text: str, names: SensitiveNames) -> str:
    """What stands before the first error, where it can still be said what is in which field."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        text = text[: error.pos]
    except (ValueError, RecursionError):  # too long a number, too deep
        return ""
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return ""
    return json_text(_redacted(value, names))


def _form(body: bytes, names: SensitiveNames) -> str:
    fields = body[:READ_BYTES].decode(errors="replace").split("&", _MOST_FORM_FIELDS)
    is_whole = len(body) <= READ_BYTES and len(fields) <= _MOST_FORM_FIELDS
    found: dict[str, Any] = {}
    for field in fields[:_MOST_FORM_FIELDS]:
        name, equals, value = field.partition("=")
        if not equals and names.has_declared:  # a bare value, as likely as a name
            name, value = "", str(masked(name))
        found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    single = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    return stored_json(_in_fields(single, names), len(body), is_whole=is_whole)


def _text(body: bytes, media: Media, names: SensitiveNames) -> str:
    if names.has_declared:
        told = {"masked": {"bytes": len(body), "content_type": media.name}}
        return stored_json(told, len(body))
    try:
        decoder = codecs.getincrementaldecoder(media.codec or "utf-8")("strict")
        text = decoder.decode(body[:READ_BYTES], len(body) <= READ_BYTES)
    except UnicodeDecodeError:
        return _digest(body, media)
    if "\0" in text:  # no text, or in an encoding that would hide a key
        return _digest(body, media)
    text = without_keys(text)
    if len(body) <= READ_BYTES:
        return stored_json(text, len(body))
    return shortened("truncated", text, len(body))


def _digest(body: bytes, media: Media) -> str:
    digest = hashlib.sha256(body).hexdigest()
    told = {"bytes": len(body), "sha256": digest, "content_type": media.name}
    return stored_json({"binary": told}, len(body))


def _redacted(value: Any, names: SensitiveNames) -> Any:
    return _in_fields(_bare(value) if names.has_declared else value, names)


def _bare(value: Any) -> Any:
    """Values that stand in no field are masked."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value if isinstance(value, dict) else masked(value)


def _in_fields(value: Any, names: SensitiveNames) -> Any:
    """The value with its sensitive fields masked. As deep as the parser goes: 200 levels."""
    if isinstance(value, dict):
        return {
            name: masked(item)
            if names[name]
            else (item if not item or type(item) in _PLAIN else _in_fields(item, names))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [
            item if not item or type(item) in _PLAIN else _in_fields(item, names) for item in value
        ]
    return _storable(value) if isinstance(value, float) else value


def _storable(number: float) -> float | str:
    """A number that jsonb refuses or would write out in hundreds of digits becomes text."""
    if number == 0 or _SMALLEST_PLAIN <= abs(number) < _LARGEST_PLAIN:
        return number
    return json.dumps(number)
