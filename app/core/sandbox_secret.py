"""The billing sandbox's secrets, known to it and to whoever asks it, without their meeting."""

import hmac
from hashlib import sha256

from app.core.secret_key import secret_keys
from app.core.settings import get_settings

_WEBHOOK = b"latchkey sandbox webhook"
_API = b"latchkey sandbox api"


def sandbox_webhook_secret() -> str:
    """What signs the sandbox's webhooks, like Stripe's `whsec_…`. Raises SecretKeyUnusable."""
    return f"whsec_{_derived(_WEBHOOK)}"


def sandbox_api_key() -> str:
    """The key that the sandbox's API takes, like Stripe's `sk_test_…`. Raises SecretKeyUnusable."""
    return f"sk_test_sandbox{_derived(_API)}"


def _derived(purpose: bytes) -> str:
    key = secret_keys(get_settings())[0]
    return hmac.new(key.encode(), purpose, sha256).hexdigest()
