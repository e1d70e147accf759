"""The authorization code grant with PKCE (RFC 6749, 7636): the parts that all providers share."""

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.client import DEFAULT_HEADERS, OAuth2Client

from app.integrations.oauth.errors import (
    CodeRefused,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.provider import Attempt

LONGEST_TOKEN = 64 * 1024

_REFUSED_CODES = frozenset({"invalid_grant", "bad_verification_code"})
"""RFC 6749's word for a code that is used or too old, and GitHub's."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us by."""

    id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Grant:
    """How to ask: for what, and how the client proves itself at the token endpoint."""

    client: Client
    scope: str
    auth_method: str

    def authorization_url(self, endpoint: str, attempt: Attempt, **more: str) -> str:
        """The endpoint's address with the whole question."""
        url, _ = self._authlib().create_authorization_url(
            endpoint, state=attempt.state, code_verifier=attempt.verifier, **more
        )
        return str(url)

    async def exchange(
        self, fetcher: Fetcher, endpoint: str, code: str, attempt: Attempt
    ) -> dict[str, Any]:
        """The tokens for a code. Raises a ProviderError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        prove = self._authlib().client_auth(self.auth_method)
        url, headers, body = prove.prepare("POST", endpoint, dict(DEFAULT_HEADERS), urlencode(form))
        found = await fetcher.post(url, headers=headers, body=body)
        # GitHub says what is wrong with 200
        if not found.is_ok or not isinstance(found.data, dict) or "error" in found.data:
            raise _refusal(found.data)
        return found.data

    def _authlib(self) -> OAuth2Client:
        return OAuth2Client(
            None,
            client_id=self.client.id,
            client_secret=self.client.secret,
            scope=self.scope,
            redirect_uri=self.client.redirect_uri,
            code_challenge_method="S256",
        )


def token_of(tokens: dict[str, Any], name: str) -> str:
    """One of the tokens. Raises ProviderUnavailable where there is none that can be one."""
    token = tokens.get(name)
    if isinstance(token, str) and 0 < len(token) <= LONGEST_TOKEN and token.isascii():
        return token
    raise ProviderUnavailable


def _refusal(data: Any) -> CodeRefused | ProviderMisconfigured:
    word = data.get("error") if isinstance(data, dict) else None
    # the provider's words stay in the log; cut, for they are a stranger's
    logger.warning("A provider's token endpoint refused: %.100r", word)
    return CodeRefused() if word in _REFUSED_CODES else ProviderMisconfigured()
