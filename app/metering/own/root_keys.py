"""Keys of services: who may ask about customers' keys and report their calls."""

import hashlib
from collections.abc import Collection

from app.metering.asgi import Scope
from app.metering.credentials import read_credentials
from app.metering.problems import InvalidKey


def require_root_key(scope: Scope, digests: Collection[bytes]) -> None:
    """Raise MissingKey, InvalidKey and their like unless the request holds one of these keys.

    SHA-256s are compared, so how long that takes says nothing of a key.
    """
    credentials = read_credentials(scope)
    if credentials.refusal is not None:
        raise credentials.refusal
    key = credentials.key or ""
    if hashlib.sha256(key.encode("latin-1")).digest() not in digests:
        raise InvalidKey
