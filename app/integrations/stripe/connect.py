"""Which Stripe is asked: the real one, another server at STRIPE_API_BASE, or the sandbox."""

import asyncio
from functools import lru_cache
from weakref import WeakKeyDictionary

from app.core.sandbox_secret import sandbox_api_key, sandbox_webhook_secret
from app.core.settings import Settings, get_settings
from app.integrations.stripe.errors import StripeMisconfigured
from app.integrations.stripe.gateway import Gateway

SANDBOX_PREFIX = "/sandbox/stripe"
"""Where the sandbox answers, under the address at which this machine reaches itself."""

_gateways: WeakKeyDictionary[asyncio.AbstractEventLoop, Gateway] = WeakKeyDictionary()


def get_gateway() -> Gateway:
    """The gateway of the running loop. Raises StripeMisconfigured where there is no Stripe."""
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = make_gateway(get_settings())
    return _gateways[loop]


def make_gateway(settings: Settings) -> Gateway:
    """A gateway as the settings say. Raises StripeMisconfigured where there is no Stripe."""
    if settings.stripe_secret_key:
        return Gateway(settings.stripe_secret_key, base=settings.stripe_api_base)
    if not settings.has_sandbox:
        raise StripeMisconfigured
    return Gateway(sandbox_api_key(), base=settings.own_url + SANDBOX_PREFIX)


def webhook_secret(settings: Settings) -> str | None:
    """What Stripe, or the sandbox, signs its events with; None where nobody may send any."""
    if settings.stripe_secret_key:
        return settings.stripe_webhook_secret
    return _sandbox_secret(settings) if settings.has_sandbox else None


@lru_cache(maxsize=1)
def _sandbox_secret(settings: Settings) -> str:
    """Read once for these settings: where no SECRET_KEY is set it lies on the disk."""
    return sandbox_webhook_secret()
