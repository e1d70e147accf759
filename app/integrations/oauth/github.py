"""GitHub, which speaks OAuth only: who somebody is, its API tells."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.integrations.oauth.code_flow import Client, Grant, token_of
from app.integrations.oauth.errors import ProviderUnavailable
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.provider import Answer, Attempt, Identity
from app.integrations.oauth.texts import short_text

SITE = "https://github.com"
API = "https://api.github.com"
SCOPE = "read:user user:email"
_MOST_ADDRESSES = 100


@dataclass(frozen=True)
class GitHub:
    """Signing in by a GitHub account. `site` and `api` are others in tests only."""

    client: Client
    fetcher: Fetcher
    site: str = SITE
    api: str = API
    name: str = "github"
    label: str = "GitHub"
    stored_name: str = "github"

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser."""
        return self._grant().authorization_url(f"{self.site}/login/oauth/authorize", attempt)

    async def identify(self, answer: Answer, attempt: Attempt, *, now: datetime) -> Identity:
        """Who came back, by asking the API with their token, which is then forgotten.

        `answer.issuer` needs no look: a provider's callback address is its own.
        """
        tokens = await self._grant().exchange(
            self.fetcher, f"{self.site}/login/oauth/access_token", answer.code, attempt
        )
        token = token_of(tokens, "access_token")
        user = await self._ask("/user", token)
        addresses = await self._ask(f"/user/emails?per_page={_MOST_ADDRESSES}", token)
        return _identity(user, addresses)

    def _grant(self) -> Grant:
        return Grant(self.client, scope=SCOPE, auth_method="client_secret_post")

    async def _ask(self, path: str, token: str) -> Any:
        found = await self.fetcher.get(self.api + path, token=token)
        if not found.is_ok:
            raise ProviderUnavailable
        return found.data


def _identity(user: Any, addresses: Any) -> Identity:
    """The person by their number, which stays; names and addresses may change hands."""
    number = user.get("id") if isinstance(user, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(addresses, list):
        raise ProviderUnavailable
    primary = next(
        (one for one in addresses if isinstance(one, dict) and one.get("primary") is True), {}
    )
    return Identity(
        kind="oauth",
        provider="github",
        subject=str(number),
        email=short_text(primary.get("email")),
        is_verified=primary.get("verified") is True,
        name=short_text(user.get("name")) or short_text(user.get("login")),
    )
