"""How money, counts and days read: "$49 a month", "50,000", "25 December 2026"."""

from datetime import datetime

from app.billing.overview import Interval
from app.billing.plans import Tier
from app.core.clock import day_words

CENTS = 100
MINUS = "\N{MINUS SIGN}"
SHOWN_CURRENCY = "usd"
"""The one that plans are priced in, and that has a sign here; others go by their code."""


def money(usd_cents: int) -> str:
    """US dollars as a plan's price, with cents where there are any: "$49", "$49.50"."""
    dollars, cents = divmod(usd_cents, CENTS)
    return f"${dollars:,}.{cents:02}" if cents else f"${dollars:,}"


def price(usd_cents: int, period: Interval = "month") -> str:
    """An amount and its period: "$49 a month"."""
    return f"{money(usd_cents)} a {period}"


def tier_cents(tier: Tier, interval: Interval) -> int:
    """What a plan costs each month or year; 0 when it is free, or not sold that way."""
    return tier.yearly_usd_cents if interval == "year" else tier.monthly_usd_cents


def amount(cents: int, currency: str) -> str:
    """An amount on a bill, always to the cent: "$49.00", "EUR 12.34".

    What is given back has a minus sign before it.
    """
    whole, part = divmod(abs(cents), CENTS)
    sign = "$" if currency.lower() == SHOWN_CURRENCY else f"{currency.upper()} "
    return f"{MINUS if cents < 0 else ''}{sign}{whole:,}.{part:02}"


def count(number: int) -> str:
    """Thousands apart: "50,000"."""
    return f"{number:,}"


def day(moment: datetime | None) -> str:
    """The day in UTC: "25 December 2026"; "" for none."""
    return "" if moment is None else day_words(moment)
