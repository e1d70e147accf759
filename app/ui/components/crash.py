"""What stands in place of a page whose rendering failed."""

import reflex as rx
from reflex_base.vars.base import Var
from reflex_base.vars.function import ArgsFunctionOperation
from reflex_components_core.base.error_boundary import ErrorBoundary

from app.ui.components.plain import plain_link


def crash_boundary() -> rx.Component:
    """Catches a page that cannot be drawn and offers a way on, without showing the trace.

    Reflex's own page prints the stack to the visitor and sends it to an event of its own,
    which the session guard refuses; ours leaves it in the browser's console.
    """
    return ErrorBoundary.create(
        on_error=rx.noop(),
        fallback_render=ArgsFunctionOperation.create(("event_args",), Var.create(_apology())),
    )


def _apology() -> rx.Component:
    return rx.el.div(
        rx.el.main(
            rx.el.div(
                rx.el.h1("This page could not be shown"),
                rx.el.p(
                    "Something on our side failed while drawing it. Nothing you saved is lost.",
                    class_name="muted",
                ),
                rx.el.div(
                    plain_link("Reload the page", "", class_name="button button-primary"),
                    plain_link("Go to the start", "/", class_name="button"),
                    class_name="row",
                ),
                class_name="stack",
            ),
            id="main",
        ),
        class_name="page-shell",
    )
