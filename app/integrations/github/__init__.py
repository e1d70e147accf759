"""GitHub's secret scanning: whether a message of its is GitHub's own."""

from app.integrations.github.signing_keys import (
    PUBLIC_KEYS_URL,
    BadSignature,
    KeysUnavailable,
    SigningKeys,
    get_signing_keys,
)

__all__ = [
    "PUBLIC_KEYS_URL",
    "BadSignature",
    "KeysUnavailable",
    "SigningKeys",
    "get_signing_keys",
]
