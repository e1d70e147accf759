"""Whether the sign-in providers can be asked, for the doctor; raises with the fault in words."""

from app.core.settings import Settings
from app.integrations.oauth import callback_url
from app.integrations.oauth.discovery import PATH, Discovery
from app.integrations.oauth.errors import ProviderError, ProviderMisconfigured
from app.integrations.oauth.fetching import Fetcher
from app.integrations.oauth.oidc import GOOGLE_ISSUER

NO_BUTTON = "not set: no button"


async def check_github(settings: Settings) -> str:
    """What to register there."""
    # GitHub says whether it knows a client only to a person's browser
    return _callback("github", settings) if settings.oauth_github_client_id else NO_BUTTON


async def check_google(settings: Settings) -> str:
    """Whether Google answers, and what to register there."""
    if not settings.oauth_google_client_id:
        return NO_BUTTON
    return await _discovered(GOOGLE_ISSUER, "google", settings)


async def check_oidc(settings: Settings) -> str:
    """Whether the issuer answers by its name, and what to register there."""
    if not settings.oauth_oidc_issuer:
        return NO_BUTTON
    return await _discovered(settings.oauth_oidc_issuer, "oidc", settings)


async def _discovered(issuer: str, name: str, settings: Settings) -> str:
    discovery = Discovery(issuer, Fetcher())
    try:
        await discovery.metadata()
        await discovery.keys()
    except ProviderMisconfigured as error:
        raise ValueError(f"{issuer}{PATH} names another issuer") from error
    except ProviderError as error:
        raise ValueError(f"{issuer} does not answer as an OpenID provider does") from error
    return f"{issuer} answers; {_callback(name, settings)}"


def _callback(name: str, settings: Settings) -> str:
    return f"the callback address to register is {callback_url(settings, name)}"
