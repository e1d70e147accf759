"""The notice that the line to the server is down, in our words."""

import reflex as rx
from reflex_base.components.memo import memo
from reflex_components_core.core.banner import has_connection_errors


def _notice() -> rx.Component:
    return rx.el.div(
        rx.cond(
            has_connection_errors,
            rx.el.p("Connection lost. Reconnecting.", class_name="connection"),
        ),
        role="status",
    )


def connection_notice() -> rx.Component:
    """Stands at the foot of the page once the connection has been gone for 1.5 s.

    It takes the place of Reflex's own banner, which shows at once and prints the
    socket's address. Memoised because the connection's state lives below the app's root.
    """
    return rx.fragment(memo(_notice)())
