"""Which work a request with an `Idempotency-Key` asks for: two digests, and nothing readable."""

import hashlib
import re

from app.metering.asgi import Headers, Scope, content_type_of
from app.metering.problems import InvalidIdempotencyKey

HEADER = b"idempotency-key"

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")


def has_key(headers: Headers) -> bool:
    """Whether the request carries an `Idempotency-Key`, a good one or not."""
    return any(name == HEADER for name, _ in headers)


def read_key(headers: Headers) -> bytes:
    """The request's key. Raises InvalidIdempotencyKey unless there is one good one."""
    found = [value.strip() for name, value in headers if name == HEADER]
    if len(found) != 1 or not _KEY.fullmatch(found[0]):
        raise InvalidIdempotencyKey
    return found[0]


def digest_of(owner_id: str, scope: Scope, key: bytes) -> bytes:
    """What a key stands for: in this account, for this method and this path as it was sent."""
    path = scope.get("raw_path") or scope["path"].encode()
    return _digest(owner_id.encode(), scope["method"].encode(), path, key)


def fingerprint_of(scope: Scope, body: bytes) -> bytes:
    """What else makes the request: with the same key it must be the same."""
    content_type = content_type_of(scope["headers"]).encode("latin-1")
    return _digest(scope.get("query_string", b""), content_type, body)


def _digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts, each after its length, so that none runs into the next."""
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update(b"%d:" % len(part))
        sha256.update(part)
    return sha256.digest()
