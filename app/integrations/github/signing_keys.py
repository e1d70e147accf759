"""The keys that GitHub signs its secret-scanning messages with, asked for and kept.

The rules are those of docs.github.com, "Secret scanning partner program": ECDSA on P-256 with
SHA-256 over the raw body, and the keys at one public address, each with an identifier.
"""

import asyncio
import base64
import binascii
import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache

import httpx
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.core.errors import LatchkeyError

PUBLIC_KEYS_URL = "https://api.github.com/meta/public_keys/secret_scanning"

KEPT_SECONDS = 24 * 3600.0
"""Then they are asked for anew, so that a key which GitHub has withdrawn is not believed on."""

PAUSE_SECONDS = 60.0
"""Between two times of asking, whatever is sent here: GitHub limits how often it answers."""

TIMEOUT_SECONDS = 5.0
MOST_BYTES = 256 * 1024
"""Of the list of keys; GitHub's has some hundred bytes a key."""

_UNREADABLE = (
    httpx.HTTPError,
    TimeoutError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    UnsupportedAlgorithm,
)
"""What a server that is not well, or not GitHub's, leads to."""

logger = logging.getLogger(__name__)


class BadSignature(LatchkeyError):
    """Not signed by GitHub, or not by a key that it still has."""

    status = 400
    code = "invalid_signature"
    title = "Not a signed message"
    default_detail = (
        "This is not a message with GitHub's signature. Send the body as it was signed."
    )


class KeysUnavailable(LatchkeyError):
    """GitHub cannot be asked for its keys just now."""

    status = 503
    code = "signing_keys_unavailable"
    title = "The signature cannot be checked now"
    default_detail = "GitHub's keys cannot be read just now. Send the message again in a minute."


class SigningKeys:
    """Checks signatures. Asks for the keys at `url` when it has none, or not the one named."""

    def __init__(
        self,
        url: str,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._keys: Mapping[str, ec.EllipticCurvePublicKey] = {}
        self._asked_at = self._read_at = -float("inf")
        self._asking = asyncio.Lock()

    async def verify(self, body: bytes, *, identifier: str, signature: str) -> None:
        """Raise BadSignature unless GitHub has signed the body; or KeysUnavailable."""
        key = await self._find(identifier)
        if key is None:
            raise BadSignature
        try:
            der = base64.b64decode(signature, validate=True)
            key.verify(der, body, ec.ECDSA(hashes.SHA256()))
        except (binascii.Error, ValueError, InvalidSignature) as error:
            raise BadSignature from error

    async def _find(self, identifier: str) -> ec.EllipticCurvePublicKey | None:
        async with self._asking:
            now = self._clock()
            is_due = identifier not in self._keys or now - self._read_at >= KEPT_SECONDS
            if is_due and now - self._asked_at >= self._pause_seconds:
                self._asked_at = now
                await self._ask(now)
            if now - self._read_at >= KEPT_SECONDS:
                raise KeysUnavailable
            return self._keys.get(identifier)

    async def _ask(self, now: float) -> None:
        """Take the keys over; what cannot be had leaves those that are kept."""
        try:
            self._keys = _keys_in(await _fetch(self._url))
            self._read_at = now
        except _UNREADABLE as error:
            logger.warning("GitHub's signing keys could not be read: %s", type(error).__name__)


@lru_cache(maxsize=1)
def get_signing_keys() -> SigningKeys:
    """GitHub's own, kept by this process."""
    return SigningKeys(PUBLIC_KEYS_URL)


async def _fetch(url: str) -> bytes:
    body = bytearray()
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client,
        asyncio.timeout(TIMEOUT_SECONDS),
        client.stream("GET", url, headers={"accept": "application/json"}) as answer,
    ):
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError("the list of keys is too long")
    return bytes(body)


def _keys_in(document: bytes) -> Mapping[str, ec.EllipticCurvePublicKey]:
    """The keys by identifier. One of another kind is passed over: nothing is verified with it."""
    found = {}
    for one in json.loads(document)["public_keys"]:
        key = load_pem_public_key(one["key"].encode())
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            found[str(one["key_identifier"])] = key
    return found
