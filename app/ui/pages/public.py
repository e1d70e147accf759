"""The pages that anyone may read, in one list for the composition root."""

from collections.abc import Callable
from typing import Any

import reflex as rx

from app.ui.pages import docs, error_codes, landing, not_found, pricing, sign_in
from app.ui.theme import page_look


def public_pages() -> list[tuple[Callable[[], rx.Component], dict[str, Any]]]:
    """Each public page's function, and the keyword arguments for `app.add_page`."""
    return [
        (landing.landing_page, _look(landing)),
        (
            pricing.pricing_page,
            {**_look(pricing), "on_load": pricing.PricingState.load},
        ),
        (docs.docs_page, _look(docs)),
        (error_codes.error_codes_page, _look(error_codes)),
        (
            sign_in.sign_in_page,
            page_look(
                sign_in.SIGN_IN_ROUTE,
                title=sign_in.SIGN_IN_TITLE,
                description=sign_in.SIGN_IN_DESCRIPTION,
                public=True,
            ),
        ),
        (
            sign_in.sign_up_page,
            page_look(
                sign_in.SIGN_UP_ROUTE,
                title=sign_in.SIGN_UP_TITLE,
                description=sign_in.SIGN_UP_DESCRIPTION,
                public=True,
            ),
        ),
        (
            not_found.not_found_page,
            page_look(not_found.ROUTE, title=not_found.TITLE, description=not_found.DESCRIPTION),
        ),
    ]


def _look(page: Any) -> dict[str, Any]:
    return page_look(page.ROUTE, title=page.TITLE, description=page.DESCRIPTION, public=True)
