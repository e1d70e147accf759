"""Which key a request holds, read from its headers; and keys where none may be."""

from dataclasses import dataclass
from urllib.parse import unquote

from app.core.errors import LatchkeyError
from app.keys.format import KEY_PATTERN
from app.metering.asgi import Headers, Scope
from app.metering.idempotency import HEADER as IDEMPOTENCY_KEY
from app.metering.problems import ConflictingKeys, KeyInUrl, MissingKey

_OURS = "lk_"
_LOOKED_AT = frozenset({b"authorization", b"x-api-key", b"x-request-id", IDEMPOTENCY_KEY})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the request holds: the key to look up, if any, and why it is refused anyway, if so.

    With a refusal, the key only says under whom to record it. It may be malformed, as may
    `leaked`, the one that was in the URL.
    """

    key: str | None
    refusal: LatchkeyError | None = None
    leaked: str | None = None


def read_credentials(scope: Scope) -> Credentials:
    """The one key of an HTTP request; the same key in both headers is one key."""
    keys = _keys_in(scope["headers"])
    in_url = key_in_url(scope)
    if in_url is not None:
        return Credentials(keys[0] if keys else in_url, KeyInUrl(), leaked=in_url)
    if not keys:
        return Credentials(None, MissingKey())
    return Credentials(keys[0], ConflictingKeys() if len(keys) > 1 else None)


def read_quickly(scope: Scope) -> tuple[bytes, Headers] | None:
    """The one key of an ordinary request, and the headers for the inner app.

    None says nothing but that others have to look closer: at a URL that might hold a key, at two
    keys, at none, at an `Idempotency-Key`. Nearly every request is ordinary, and this is four
    times as fast.
    """
    query = scope.get("query_string", b"")
    if b"lk_" in query or b"%" in query or "lk_" in scope["path"] or "%" in scope["path"]:
        return None
    key = None
    kept = []
    for header in scope["headers"]:
        name, value = header
        if name not in _LOOKED_AT:
            kept.append(header)
        elif name != b"x-request-id":
            if (
                key is not None
                or name == IDEMPOTENCY_KEY
                or (name == b"authorization" and value[:7] != b"Bearer ")
            ):
                return None
            key = (value[7:] if name == b"authorization" else value).strip()
    return (key, kept) if key else None


def without_key(headers: Headers, key: str) -> Headers:
    """The headers but for those that carried this key."""
    return [(name, value) for name, value in headers if _key_in(name, value) != key]


def _keys_in(headers: Headers) -> list[str]:
    """The different keys in the headers, in order.

    A token that is not ours beside a key of ours is the inner app's business, not a conflict.
    """
    found = dict.fromkeys(
        key for name, value in headers if (key := _key_in(name, value)) is not None
    )
    return [key for key in found if key.startswith(_OURS)] or list(found)


def _key_in(name: bytes, value: bytes) -> str | None:
    if name == b"x-api-key":
        return value.strip().decode("latin-1") or None
    if name == b"authorization":
        scheme, _, credentials = value.strip().partition(b" ")
        if scheme.lower() == b"bearer":
            return credentials.strip().decode("latin-1") or None
    return None


def key_in_url(scope: Scope) -> str | None:
    """The first key-shaped text in the path or the query, as sent or percent-decoded."""
    url = f"{scope['path']}?{scope.get('query_string', b'').decode('latin-1')}"
    match = KEY_PATTERN.search(url)
    if match is None and "%" in url:
        match = KEY_PATTERN.search(unquote(url))
    return match.group() if match else None
