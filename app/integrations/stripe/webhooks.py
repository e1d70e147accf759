"""Reading what Stripe posts: only what it has signed, lately."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from app.core.errors import LatchkeyError

TOLERANCE_SECONDS = 300
"""How old a signature may be: what was recorded on the way cannot be sent again later."""

_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_TYPE = re.compile(r"[a-z0-9_.]{1,255}")


class BadSignature(LatchkeyError):
    """Not signed with our webhook secret, too long ago, or no event at all."""

    status = 400
    code = "invalid_signature"
    title = "Not a signed event"
    default_detail = (
        "This is not an event with a fresh signature of this endpoint's secret. Check "
        "STRIPE_WEBHOOK_SECRET, and this machine's clock."
    )


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event that Stripe has signed. `payload` is its text as it came.

    `account`: the connected account that it is of, if it is not of ours.
    """

    id: str
    type: str
    created_at: datetime
    customer_id: str | None
    account: str | None
    payload: str


def read_event(body: bytes, signature: str | None, secret: str) -> SignedEvent:
    """The event, its signature checked over the raw body. Raises BadSignature."""
    try:
        payload = body.decode()
        stripe.WebhookSignature.verify_header(payload, signature, secret, TOLERANCE_SECONDS)
        return _event(json.loads(payload), payload)
    except stripe.SignatureVerificationError as error:
        raise BadSignature from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadSignature("The body is not an event as Stripe sends them.") from error


def _event(found: Mapping[str, Any], payload: str) -> SignedEvent:
    return SignedEvent(
        id=_matching(_ID, found["id"]),
        type=_matching(_TYPE, found["type"]),
        created_at=datetime.fromtimestamp(int(found["created"]), UTC),
        customer_id=_customer(found["data"]["object"]),
        account=found.get("account"),
        payload=payload,
    )


def _customer(found: Mapping[str, Any]) -> str | None:
    """The customer that the event's object belongs to, or is."""
    customer = found["id"] if found.get("object") == "customer" else found.get("customer")
    if isinstance(customer, Mapping):
        customer = customer["id"]
    return None if customer is None else _matching(_ID, customer)


def _matching(shape: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise ValueError("not of its shape")
    return value
