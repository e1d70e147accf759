"""Google, and any other OpenID provider, by discovery."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.integrations.oauth.code_flow import Client, Grant, token_of
from app.integrations.oauth.discovery import Discovery, Metadata
from app.integrations.oauth.errors import IdentityNotProven, ProviderUnavailable
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.id_token import Expected, UnknownKey, proven_claims
from app.integrations.oauth.provider import Answer, Attempt, Identity
from app.integrations.oauth.texts import short_text

GOOGLE_ISSUER = "https://accounts.google.com"
SCOPE = "openid email profile"


@dataclass
class OpenIdProvider:
    """A provider that proves who somebody is by a signed ID token."""

    name: str
    label: str
    stored_name: str
    issuer: str
    client: Client
    fetcher: Fetcher
    discovery: Discovery = field(init=False)

    def __post_init__(self) -> None:
        self.discovery = Discovery(self.issuer, self.fetcher)

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser."""
        metadata = await self.discovery.metadata()
        return self._grant(metadata).authorization_url(
            metadata.authorization_endpoint, attempt, nonce=attempt.nonce
        )

    async def identify(self, answer: Answer, attempt: Attempt, *, now: datetime) -> Identity:
        """Who came back, by their ID token."""
        metadata = await self.discovery.metadata()
        self._check_issuer(answer.issuer, metadata)
        tokens = await self._grant(metadata).exchange(
            self.fetcher, metadata.token_endpoint, answer.code, attempt
        )
        expected = Expected(self.issuer, self.client.id, attempt.nonce, now)
        claims = await self._proven(token_of(tokens, "id_token"), expected)
        if "email" not in claims and metadata.userinfo_endpoint:
            claims = await self._with_userinfo(claims, metadata.userinfo_endpoint, tokens)
        return self._identity(claims)

    def _grant(self, metadata: Metadata) -> Grant:
        return Grant(self.client, scope=SCOPE, auth_method=metadata.auth_method)

    def _check_issuer(self, issuer: str | None, metadata: Metadata) -> None:
        """RFC 9207: an answer that another provider gave is not taken to this one."""
        if issuer is None and not metadata.says_issuer:
            return
        if issuer != self.issuer:
            raise IdentityNotProven

    async def _proven(self, token: str, expected: Expected) -> dict[str, Any]:
        try:
            return proven_claims(token, await self.discovery.keys(), expected)
        except UnknownKey:
            return proven_claims(token, await self.discovery.keys(again=True), expected)

    async def _with_userinfo(
        self, claims: dict[str, Any], endpoint: str, tokens: dict[str, Any]
    ) -> dict[str, Any]:
        """The claims, with what the provider tells of the same person besides."""
        found = await self.fetcher.get(endpoint, token=token_of(tokens, "access_token"))
        if not found.is_ok or not isinstance(found.data, dict):
            raise ProviderUnavailable
        if found.data.get("sub") != claims["sub"]:
            raise IdentityNotProven
        told = {name: found.data.get(name) for name in ("email", "email_verified", "name")}
        return {**claims, **told}

    def _identity(self, claims: dict[str, Any]) -> Identity:
        return Identity(
            kind="oidc",
            provider=self.stored_name,
            subject=claims["sub"],
            email=short_text(claims.get("email")),
            # some providers write it as a text
            is_verified=claims.get("email_verified") in (True, "true"),
            name=short_text(claims.get("name")),
        )
