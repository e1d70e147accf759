"""The page for addresses that lead nowhere."""

import reflex as rx

from app.ui.components import link_button
from app.ui.layouts import public_layout

ROUTE = "404"
TITLE = "Page not found"
DESCRIPTION = "There is no page at this address."


def not_found_page() -> rx.Component:
    """Says so, and offers the three ways on that people most often meant."""
    return public_layout(
        rx.el.div(
            rx.el.div(
                rx.el.h1("There is no page here"),
                rx.el.p(
                    "The address may be mistyped, or the page has moved. "
                    "One of these may be what you want.",
                    class_name="muted",
                ),
                rx.el.div(
                    link_button("Overview", "/overview/", variant="primary"),
                    link_button("Quick start", "/docs/"),
                    link_button("Start page", "/"),
                    class_name="row",
                ),
                class_name="stack",
            ),
            class_name="sign",
        ),
        is_narrow=True,
    )
