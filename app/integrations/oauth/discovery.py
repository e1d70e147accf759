"""What an OpenID provider says of itself: its addresses, and the keys that it signs with."""

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.integrations.oauth.errors import ProviderMisconfigured, ProviderUnavailable
from app.integrations.oauth.fetching import Fetcher

KEPT_SECONDS = 3600.0
"""How long what it says is believed before it is asked again."""

KEYS_AGAIN_SECONDS = 30.0
"""How often at most a token with a key that we do not know makes us ask for the keys again."""

logger = logging.getLogger(__name__)

PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The parts of OpenID Connect Discovery 1.0 that we use."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str
    auth_method: str
    says_issuer: bool


class Discovery:
    """One issuer, asked when needed and remembered. Used by the event loop that made it."""

    def __init__(self, issuer: str, fetcher: Fetcher) -> None:
        self.issuer = issuer
        self._fetcher = fetcher
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def metadata(self) -> Metadata:
        """What it says. Raises ProviderUnavailable, or ProviderMisconfigured for a wrong issuer."""
        if self._metadata is None or time.monotonic() - self._metadata[0] > KEPT_SECONDS:
            found = await self._fetcher.get(self.issuer.rstrip("/") + PATH)
            if not found.is_ok:
                raise ProviderUnavailable
            self._metadata = (time.monotonic(), read_metadata(found.data, self.issuer))
        return self._metadata[1]

    async def keys(self, *, again: bool = False) -> KeySet:
        """Its keys; `again` for one that is not among them. Raises ProviderUnavailable."""
        kept_seconds = KEYS_AGAIN_SECONDS if again else KEPT_SECONDS
        if self._keys is None or time.monotonic() - self._keys[0] > kept_seconds:
            found = await self._fetcher.get((await self.metadata()).jwks_uri)
            try:
                keys = KeySet.import_key_set(found.data)
            except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise ProviderUnavailable from error
            self._keys = (time.monotonic(), keys)
        return self._keys[1]


def read_metadata(data: Any, issuer: str) -> Metadata:
    """The metadata, checked. Raises ProviderMisconfigured, or ProviderUnavailable."""
    if not isinstance(data, dict):
        raise ProviderUnavailable
    if data.get("issuer") != issuer:
        logger.error("OAUTH_OIDC_ISSUER is %s, and the provider there calls itself another", issuer)
        raise ProviderMisconfigured
    methods = data.get("token_endpoint_auth_methods_supported")
    takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
    return Metadata(
        authorization_endpoint=_address(data, "authorization_endpoint", issuer),
        token_endpoint=_address(data, "token_endpoint", issuer),
        userinfo_endpoint=(
            _address(data, "userinfo_endpoint", issuer) if "userinfo_endpoint" in data else None
        ),
        jwks_uri=_address(data, "jwks_uri", issuer),
        auth_method="client_secret_basic" if takes_basic else "client_secret_post",
        says_issuer=data.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(data: dict[str, Any], name: str, issuer: str) -> str:
    """One of its addresses, as private as its issuer's. Raises ProviderUnavailable."""
    address = data.get(name)
    if not isinstance(address, str) or not address.isascii():
        raise ProviderUnavailable
    parts = urlsplit(address)
    is_private = parts.scheme == "https" or issuer.startswith("http://")
    if not parts.hostname or not is_private or parts.scheme not in {"http", "https"}:
        raise ProviderUnavailable
    return address
