"""The dialog before what cannot be undone."""

import reflex as rx
from reflex.event import EventType

from app.ui.components.actions import button
from app.ui.components.dialog import dialog, dialog_actions, dialog_close
from app.ui.components.fields import field
from app.ui.components.kinds import Text


def typed_dialog(
    prefix: str,
    on_submit: EventType[dict[str, object]],
    *,
    label: str,
    error: Text,
    act: str,
    title: Text,
    description: Text,
    open: bool | rx.Var[bool],  # noqa: A002  # as in `dialog`
    on_open_change: EventType[bool],
    keep: str = "Cancel",
) -> rx.Component:
    """Wants a name typed, as the form's `confirm`, before the `act`; leaving it has the focus."""
    return dialog(
        rx.el.form(
            field("confirm", label, error=error, prefix=prefix, auto_complete="off"),
            dialog_actions(
                dialog_close(keep, auto_focus=True),
                button(act, kind="submit", variant="danger"),
            ),
            on_submit=on_submit,
            class_name="stack",
        ),
        title=title,
        description=description,
        open=open,
        on_open_change=on_open_change,
    )
