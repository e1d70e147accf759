"""Rendering: the frame of every page, and money and time in words."""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment
from starlette.responses import HTMLResponse

from app.core.pages import PRIVATE_HEADERS, make_environment
from app.sandbox.document import Json

MINUS = "\N{MINUS SIGN}"


def render(template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """The page; values are escaped."""
    html = _environment().get_template(template).render(values)
    return HTMLResponse(html, status_code=status, headers=PRIVATE_HEADERS)


def money(amount: int, currency: str) -> str:
    """`4900, "usd"` as `49.00 USD`; a minus goes first."""
    whole, cents = divmod(abs(amount), 100)
    return f"{MINUS if amount < 0 else ''}{whole:,}.{cents:02} {currency.upper()}"


def price_words(price: Json) -> str:
    """`49.00 USD a month`."""
    return f"{money(price['unit_amount'], price['currency'])} a {price['recurring']['interval']}"


def day(moment: int) -> str:
    """`25 Nov 2026`."""
    return f"{datetime.fromtimestamp(moment, UTC):%-d %b %Y}"


def minute(moment: int) -> str:
    """`25 Nov 2026, 10:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%-d %b %Y, %H:%M} UTC"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = make_environment(Path(__file__).parents[1] / "templates")
    environment.filters.update(day=day, minute=minute, price=price_words)
    environment.globals["money"] = money
    return environment
