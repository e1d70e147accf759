"""Stripe: a thin gateway around its own client, and its failures by name."""

from app.integrations.stripe.connect import get_gateway, make_gateway, webhook_secret
from app.integrations.stripe.gateway import Gateway

__all__ = ["Gateway", "get_gateway", "make_gateway", "webhook_secret"]
