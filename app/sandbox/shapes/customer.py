"""Customers and the cards that they pay with."""

import secrets
from dataclasses import dataclass
from typing import Literal

from app.sandbox.document import Json, new_object_id

Conduct = Literal["works", "declined", "fails_later"]


@dataclass(frozen=True)
class TestCard:
    """A card of Stripe's that is made for tests: its number says what will happen."""

    number: str
    token: str
    words: str
    conduct: Conduct

    @property
    def last4(self) -> str:
        """What is shown of the number."""
        return self.number[-4:]

    @property
    def spaced(self) -> str:
        """The number as it stands on a card."""
        return " ".join(self.number[place : place + 4] for place in range(0, 16, 4))


CARDS = (
    TestCard("4242424242424242", "pm_card_visa", "pays", "works"),
    TestCard("4000000000000002", "pm_card_chargeDeclined", "is declined at once", "declined"),
    TestCard(
        "4000000000000341",
        "pm_card_chargeCustomerFail",
        "pays in the checkout, fails at every later charge",
        "fails_later",
    ),
)


def find_card(number_or_token: str) -> TestCard | None:
    """The test card of this number (spaces allowed) or token."""
    wanted = number_or_token.replace(" ", "")
    return next((card for card in CARDS if wanted in {card.number, card.token}), None)


def conduct_of(payment_method: Json) -> Conduct:
    """What a charge on this card will do."""
    last4 = payment_method["card"]["last4"]
    return next(card.conduct for card in CARDS if card.last4 == last4)


EMPTY_ADDRESS: Json = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}


def customer(now: int, *, test_clock: str | None) -> Json:
    """A customer of whom nothing is known yet."""
    return {
        "id": new_object_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": secrets.token_hex(4).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": test_clock,
    }


def payment_method(card: TestCard, now: int) -> Json:
    """A card, not attached to anybody."""
    return {
        "id": new_object_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict(EMPTY_ADDRESS),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "card": _card(card),
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def _card(card: TestCard) -> Json:
    return {
        "brand": "visa",
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": f"sandbox{card.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": None,
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
