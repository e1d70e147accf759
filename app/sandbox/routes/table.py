"""Which path leads where."""

import re
from collections.abc import Awaitable, Callable

from app.sandbox.document import Json
from app.sandbox.errors import NoSuchRoute
from app.sandbox.routes import catalog, checkout, customers, events, invoices, subscriptions

Handler = Callable[..., Awaitable[Json]]

_TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "customers", customers.create),
    ("GET", "customers", customers.list_),
    ("GET", "customers/search", customers.search),
    ("GET", "customers/{customer_id}", customers.retrieve),
    ("POST", "customers/{customer_id}", customers.update),
    ("DELETE", "customers/{customer_id}", customers.delete),
    ("GET", "customers/{customer_id}/payment_methods", customers.list_payment_methods),
    ("POST", "payment_methods", customers.create_payment_method),
    ("GET", "payment_methods", customers.list_payment_methods),
    ("GET", "payment_methods/{card_id}", customers.retrieve_payment_method),
    ("POST", "payment_methods/{card_id}/attach", customers.attach_payment_method),
    ("POST", "payment_methods/{card_id}/detach", customers.detach_payment_method),
    ("POST", "billing_portal/sessions", customers.create_portal_session),
    ("GET", "products", catalog.list_products),
    ("GET", "products/{product_id}", catalog.retrieve_product),
    ("GET", "prices", catalog.list_prices),
    ("GET", "prices/{price_id}", catalog.retrieve_price),
    ("POST", "checkout/sessions", checkout.create),
    ("GET", "checkout/sessions", checkout.list_),
    ("GET", "checkout/sessions/{session_id}", checkout.retrieve),
    ("POST", "checkout/sessions/{session_id}/expire", checkout.expire),
    ("GET", "checkout/sessions/{session_id}/line_items", checkout.list_line_items),
    ("POST", "subscriptions", subscriptions.create),
    ("GET", "subscriptions", subscriptions.list_),
    ("GET", "subscriptions/{subscription_id}", subscriptions.retrieve),
    ("POST", "subscriptions/{subscription_id}", subscriptions.update),
    ("DELETE", "subscriptions/{subscription_id}", subscriptions.cancel),
    ("GET", "invoices", invoices.list_),
    ("POST", "invoices/create_preview", invoices.create_preview),
    ("GET", "invoices/{invoice_id}", invoices.retrieve),
    ("POST", "invoices/{invoice_id}", invoices.update),
    ("GET", "invoices/{invoice_id}/lines", invoices.list_lines),
    ("POST", "invoices/{invoice_id}/finalize", invoices.finalize),
    ("POST", "invoices/{invoice_id}/pay", invoices.pay),
    ("POST", "invoices/{invoice_id}/void", invoices.void),
    ("POST", "invoices/{invoice_id}/mark_uncollectible", invoices.mark_uncollectible),
    ("GET", "events", events.list_),
    ("GET", "events/{event_id}", events.retrieve),
    ("POST", "test_helpers/test_clocks", events.create_clock),
    ("GET", "test_helpers/test_clocks", events.list_clocks),
    ("GET", "test_helpers/test_clocks/{clock_id}", events.retrieve_clock),
    ("POST", "test_helpers/test_clocks/{clock_id}/advance", events.advance_clock),
    ("DELETE", "test_helpers/test_clocks/{clock_id}", events.delete_clock),
]


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_]+)", f"/v1/{path}"))


_ROUTES = [(method, _pattern(path), handler) for method, path, handler in _TABLE]


def find_route(method: str, path: str) -> tuple[Handler, dict[str, str]]:
    """The handler, and the ids in the path. Raises NoSuchRoute."""
    for wanted, pattern, handler in _ROUTES:
        match = pattern.fullmatch(path) if wanted == method else None
        if match:
            return handler, match.groupdict()
    raise NoSuchRoute(
        f"Unrecognized request URL ({method}: {path}). The billing sandbox speaks the part of "
        "Stripe's API that Latchkey uses; this is not in it."
    )
