"""Stripe's failures become our errors, here and nowhere else."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import stripe

from app.integrations.stripe.errors import (
    ConfirmationNeeded,
    IdempotencyMismatch,
    PaymentDeclined,
    StripeBusy,
    StripeError,
    StripeMisconfigured,
    StripeNotFound,
    StripeUnavailable,
)

ANSWER_SECONDS = 10.0
"""How long Stripe may take over one thing asked, with the package's own retries."""

Answer = TypeVar("Answer")
_FIRST_SERVER_FAULT = 500
_TO_BE_CONFIRMED = frozenset(
    {"authentication_required", "subscription_payment_intent_requires_action"}
)

logger = logging.getLogger(__name__)


async def answered(asked: Awaitable[Answer]) -> Any:
    """What Stripe answers, as plain data. Raises a StripeError that says what happened."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await asked
        return answer.to_dict() if isinstance(answer, stripe.StripeObject) else answer
    except TimeoutError as error:
        logger.warning("Stripe did not answer within %.0f s", ANSWER_SECONDS)
        raise StripeUnavailable from error
    except stripe.StripeError as error:
        named = named_failure(error)
        # the package's words may hold what was sent to it: its code and the request's id do not
        logger.warning(
            "Stripe did not do it: %s, status %s, code %s, parameter %s, request %s",
            type(error).__name__,
            error.http_status,
            error.code,
            getattr(error, "param", None),
            error.request_id,
        )
        raise named from error
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        # the package trusts the shape of an answer: something else than Stripe has answered
        logger.warning("Stripe answered what cannot be read: %s", type(error).__name__)
        raise StripeUnavailable from error


def named_failure(error: stripe.StripeError) -> StripeError:
    """Our error for what the package raised."""
    match error:
        case stripe.CardError():
            return ConfirmationNeeded() if error.code in _TO_BE_CONFIRMED else PaymentDeclined()
        case stripe.RateLimitError():
            return StripeBusy()
        case stripe.AuthenticationError() | stripe.PermissionError():
            return StripeMisconfigured()
        case stripe.IdempotencyError():
            return IdempotencyMismatch()
        case stripe.InvalidRequestError():
            return StripeNotFound() if error.code == "resource_missing" else _refused(error)
    return StripeUnavailable()


def _refused(error: stripe.StripeError) -> StripeError:
    is_theirs = (error.http_status or 0) >= _FIRST_SERVER_FAULT
    return StripeUnavailable() if is_theirs else StripeError()
