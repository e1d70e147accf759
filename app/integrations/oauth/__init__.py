"""Signing in by a provider: GitHub, Google, and any OpenID provider by discovery."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from app.core.settings import Settings
from app.integrations.oauth.code_flow import Client
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.github import GitHub
from app.integrations.oauth.oidc import GOOGLE_ISSUER, OpenIdProvider
from app.integrations.oauth.provider import Answer, Attempt, Identity, Provider

__all__ = [
    "Answer",
    "Attempt",
    "Identity",
    "Offer",
    "Provider",
    "callback_url",
    "get_providers",
    "list_offers",
    "make_providers",
]


_Made = tuple[Settings, Mapping[str, Provider]]
_made: WeakKeyDictionary[asyncio.AbstractEventLoop, _Made] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Offer:
    """A configured provider: as addresses and pages call it, and as its identities are stored."""

    name: str
    label: str
    stored_name: str


def list_offers(settings: Settings) -> Sequence[Offer]:
    """The configured providers, in the order of their buttons. Asks nobody."""
    offers = []
    if settings.oauth_github_client_id:
        offers.append(Offer("github", "GitHub", "github"))
    if settings.oauth_google_client_id:
        offers.append(Offer("google", "Google", "google"))
    if settings.oauth_oidc_issuer:
        issuer = settings.oauth_oidc_issuer
        label = settings.oauth_oidc_name or urlsplit(issuer).hostname or ""
        # subjects are the issuer's own, and the operator may come to name another issuer
        offers.append(Offer("oidc", label, f"oidc:{issuer}"))
    return offers


def callback_url(settings: Settings, name: str) -> str:
    """Where a provider sends the browser back to: what is registered there as callback."""
    return f"{settings.public_url}/auth/oauth/{name}/callback"


def make_providers(settings: Settings) -> Mapping[str, Provider]:
    """The configured providers by name, to be used by the running event loop."""
    fetcher = Fetcher()
    return {offer.name: _make_provider(offer, settings, fetcher) for offer in list_offers(settings)}


def get_providers(settings: Settings) -> Mapping[str, Provider]:
    """The configured providers of the running loop, which remember what they were told."""
    loop = asyncio.get_running_loop()
    kept = _made.get(loop)
    if kept is None or kept[0] is not settings:
        kept = _made[loop] = (settings, make_providers(settings))
    return kept[1]


def _make_provider(offer: Offer, settings: Settings, fetcher: Fetcher) -> Provider:
    client_id = getattr(settings, f"oauth_{offer.name}_client_id")
    secret = getattr(settings, f"oauth_{offer.name}_client_secret")
    client = Client(client_id, secret, callback_url(settings, offer.name))
    if offer.name == "github":
        return GitHub(client, fetcher)
    issuer = GOOGLE_ISSUER if offer.name == "google" else settings.oauth_oidc_issuer or ""
    return OpenIdProvider(offer.name, offer.label, offer.stored_name, issuer, client, fetcher)
