"""What a Content-Type says of a body."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

LONGEST_CONTENT_TYPE = 200
"""Give no more to `media_of`: it remembers what it was given."""

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w-]+)", re.IGNORECASE)
_JSON = re.compile(r".*\+json|(application|text)/json")
_FORM = re.compile(r"application/x-www-form-urlencoded")
_TEXT = re.compile(r"text/.*|.*\+(xml|yaml)|application/(xml|yaml|x-yaml|javascript|graphql)")
_CODECS = {"iso-8859-1": "cp1252", "windows-1252": "cp1252"}


@dataclass(frozen=True, slots=True)
class Media:
    """The kind of body, its media type without parameters, and its codec where it is not UTF-8.

    `unknown` is what says nothing of itself; `name` is empty where there is none, or no real one.
    """

    kind: Literal["json", "form", "text", "unknown", "binary"]
    name: str
    codec: str | None = None


@lru_cache(maxsize=256)
def media_of(content_type: str) -> Media:
    """What this header says. What is neither JSON, a form nor text is binary, multipart too."""
    declared = content_type.partition(";")[0].strip().lower()
    name = declared if _MEDIA_TYPE.fullmatch(declared) else ""
    charset = _CHARSET.search(content_type)
    codec = _CODECS.get(charset[1].lower()) if charset else None
    if _JSON.fullmatch(name):
        return Media("json", name, codec)
    if _FORM.fullmatch(name):
        return Media("form", name, codec)
    if _TEXT.fullmatch(name):
        return Media("text", name, codec)
    return Media("binary" if declared else "unknown", name, codec)
