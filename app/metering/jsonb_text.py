"""JSON text that PostgreSQL's jsonb takes, holds no key, and is never longer than the cap."""

import json
import re
from typing import Any, Literal

from pydantic_core import to_json

CAP_BYTES = 16 * 1024
"""The most that is stored of a body: bytes of the JSON text as PostgreSQL writes it back."""

Flaw = Literal["truncated", "unreadable"]

# Wider than KEY_PATTERN, as in the logs: also a key that is cut off, or stuck to other text.
_KEY = re.compile(r"(lk_(?:live|trial|root)_[0-9A-Za-z]{4})[0-9A-Za-z]+")
_ESCAPE = re.compile(r"\\(?:u0000|.)")
_WHOLE_ESCAPES = re.compile(r"(?:[^\\]++|\\u[0-9a-f]{4}|\\[^u])*+")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def without_keys(text: str) -> str:
    """The text with every key cut to its start."""
    return _KEY.sub(r"\1…", text) if "lk_" in text else text


def stored_json(value: Any, size_bytes: int, *, is_whole: bool = True) -> str:
    """The value as JSON; if that is over the cap, or not whole, what `shortened` makes of it.

    Takes what JSON has, without infinite numbers and lone surrogates; NUL becomes U+FFFD.
    """
    text = json_text(value)
    if is_whole and _stored_bytes(text) <= CAP_BYTES:
        return text
    return shortened("truncated", text, size_bytes)


def json_text(value: Any) -> str:
    """The value as JSON of any length, without keys and NUL."""
    text = without_keys(to_json(value).decode())
    if "\\u0000" in text:  # perhaps after another backslash, so read from the start
        text = _ESCAPE.sub(lambda match: _REPLACEMENT if match[0] == "\\u0000" else match[0], text)
    return text


def shortened(flaw: Flaw, text: str, size_bytes: int) -> str:
    """`{"truncated": true, "bytes": …, "start": …}`: of a long text as much as fits the cap.

    `bytes` is the size of the body as it came; `unreadable` stands there instead where the
    body is not what it says, and `start` is what came before that. The text has no NUL.
    """
    frame = json.dumps({flaw: True, "bytes": size_bytes, "start": ""})
    escaped = json.dumps(text[:CAP_BYTES], ensure_ascii=False)[1:-1].encode()
    room = CAP_BYTES - len(frame)
    if len(escaped) > room:
        return frame.removesuffix('"}') + _cut(escaped, room) + '"}'
    return frame.removesuffix('"}') + escaped.decode() + '"}'


def _cut(escaped: bytes, length: int) -> str:
    """The inside of a JSON string, not longer than this, ending with a whole character."""
    found = _WHOLE_ESCAPES.match(escaped[:length].decode(errors="ignore"))
    return found[0] if found else ""


def _stored_bytes(text: str) -> int:
    """The most bytes that it has when read back: PostgreSQL puts a space after `,` and `:`."""
    length = len(text) if text.isascii() else len(text.encode())
    return length + text.count(",") + text.count(":")
