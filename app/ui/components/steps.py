"""A short list of things to do that tick themselves."""

import reflex as rx

from app.ui.components.kinds import Text


def checklist(*steps: rx.Component) -> rx.Component:
    """The steps, in order."""
    return rx.el.ol(*steps, class_name="checklist")


def checklist_step(
    number: int,
    title: str,
    *children: rx.Component,
    done: bool | rx.Var[bool] = False,
) -> rx.Component:
    """One step: its number until it is done, then a tick. `children` show what to do."""
    mark = rx.cond(
        done,
        rx.fragment(
            rx.icon("check", size=14, aria_hidden=True), rx.el.span("Done", class_name="sr-only")
        ),
        rx.fragment(str(number)),
    )
    return rx.el.li(
        rx.el.span(mark, class_name="mark"),
        rx.el.div(rx.el.h2(title), *children, class_name="stack"),
        class_name=rx.cond(done, "done", ""),
    )


def waiting(message: Text) -> rx.Component:
    """Says that the page waits for something and will change by itself."""
    return rx.el.p(message, class_name="waiting", role="status")
