"""How amounts read: "$49 a month", "50,000"."""

from typing import Literal

CENTS = 100


def money(usd_cents: int) -> str:
    """US dollars, with cents where there are any: "$49", "$49.50"."""
    dollars, cents = divmod(usd_cents, CENTS)
    return f"${dollars:,}.{cents:02}" if cents else f"${dollars:,}"


def price(usd_cents: int, period: Literal["month", "year"] = "month") -> str:
    """An amount and its period: "$49 a month"."""
    return f"{money(usd_cents)} a {period}"


def count(number: int) -> str:
    """Thousands apart: "50,000"."""
    return f"{number:,}"
