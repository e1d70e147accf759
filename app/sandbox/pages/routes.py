"""Where the pages lie."""

from collections.abc import Callable

from starlette.routing import Route

from app.sandbox.config import Config
from app.sandbox.pages import checkout, clock, invoice, portal
from app.sandbox.pages.frame import Page, in_words

_PAGES: list[tuple[str, str, Page]] = [
    ("GET", "/sandbox/checkout/{id}", checkout.show),
    ("POST", "/sandbox/checkout/{id}", checkout.pay),
    ("GET", "/sandbox/portal/{id}", portal.show),
    ("POST", "/sandbox/portal/{id}/card", portal.change_card),
    ("POST", "/sandbox/portal/{id}/pay", portal.pay),
    ("POST", "/sandbox/portal/{id}/cancel", portal.cancel),
    ("POST", "/sandbox/portal/{id}/resume", portal.resume),
    ("GET", "/sandbox/invoices/{id}", invoice.show),
    ("POST", "/sandbox/invoices/{id}", invoice.pay),
    ("GET", "/sandbox/invoices/{id}/pdf", invoice.download),
    ("GET", "/sandbox/clock", clock.show),
    ("POST", "/sandbox/clock", clock.move),
    ("POST", "/sandbox/clock/resend", clock.resend),
    ("POST", "/sandbox/clock/options", clock.set_options),
]


def page_routes(config: Config, on_told: Callable[[], None]) -> list[Route]:
    """The routes of all pages."""
    return [
        Route(path, in_words(page, config, on_told), methods=[method])
        for method, path, page in _PAGES
    ]
