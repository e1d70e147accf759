"""The shell of every dialog: focus kept inside, Esc closes, focus returns."""

from typing import Any

import reflex as rx
from reflex.event import EventChain, EventType
from reflex_base.vars.function import FunctionVar
from reflex_components_radix.primitives import dialog as primitive

from app.ui.components.kinds import Text, Variant


def dialog(
    *children: rx.Component,
    title: Text,
    description: Text,
    open: bool | rx.Var[bool],  # noqa: A002  # the attribute's name
    on_open_change: EventType[bool],
    stays: bool = False,
    wide: bool = False,
) -> rx.Component:
    """A dialog that the state opens and closes. The last child is `dialog_actions(...)`.

    With `stays`, Esc and a click outside leave it open while something in it is marked
    `data-unsaved`: a key that is shown once, until it is copied.
    Put `auto_focus=True` on the field that should have the focus; else it is the first.
    """
    hold: dict[str, Any] = {}
    if stays:
        hold = {"on_escape_key_down": _KEEP_UNSAVED, "on_interact_outside": _KEEP_UNSAVED}
    return primitive.root(
        primitive.portal(
            primitive.overlay(class_name="dialog-overlay"),
            primitive.content(
                rx.el.div(
                    primitive.title(title),
                    primitive.description(description, class_name="muted"),
                    class_name="dialog-head",
                ),
                *children,
                class_name="dialog dialog-wide" if wide else "dialog",
                on_close_auto_focus=_RETURN_FOCUS,
                **hold,
            ),
        ),
        open=open,
        on_open_change=on_open_change,
    )


_KEEP_UNSAVED = rx.Var("((event) => window.keepUnsaved(event))").to(FunctionVar, EventChain)
_RETURN_FOCUS = rx.Var("((event) => window.returnFocus(event))").to(FunctionVar, EventChain)
"""`assets/latchkey.js` knows what opened the dialog, and what is not saved yet."""


def dialog_actions(*buttons: rx.Component) -> rx.Component:
    """The row of buttons at a dialog's foot, the one that acts last."""
    return rx.el.div(*buttons, class_name="row row-end")


def dialog_close(
    label: Text = "Cancel", *, variant: Variant = "secondary", **props: Any
) -> rx.Component:
    """A button that closes the dialog around it."""
    return primitive.close(
        rx.el.button(label, type="button", class_name=f"button button-{variant}", **props),
        as_child=True,
    )
