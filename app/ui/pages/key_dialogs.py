"""The dialogs of the keys page: create, the new key once, rotate, revoke."""

from typing import Any

import reflex as rx
from reflex.experimental.client_state import ClientStateVar

from app.keys.options import LONGEST_LABEL
from app.ui.components import (
    button,
    dialog,
    dialog_actions,
    dialog_close,
    field,
    key_line,
    select_field,
    snippet_tabs,
    typed_dialog,
)
from app.ui.components.kinds import Text
from app.ui.pages.keys_state import KeysState
from app.ui.pages.snippets import KEY_PLACEHOLDER, screen_snippets

LIFETIME_CHOICES = (
    ("never", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
)
GRACE_CHOICES = (
    ("24h", "24 hours"),
    ("1h", "hour"),
    ("7d", "7 days"),
    ("now", "no time: it ends now"),
)

shown_key = ClientStateVar.create("shownKey", default="")
"""The new key while it is on the screen: in this browser's memory, through reconnects too."""
is_copied = ClientStateVar.create("isKeyCopied", default=False)


def new_key_dialog(new_key: str = KeysState.new_key, forget: Any = None) -> rx.Component:
    """The key, once. It stays until it is copied or "Close anyway" is chosen.

    `new_key` is a state's var that is only ever sent, and `forget` that state's event.
    """
    keep = rx.cond(
        new_key != "",
        rx.el.span(key=new_key, on_mount=shown_key.set_value(new_key)),
    )
    close: Any = [
        shown_key.set_value(""),
        is_copied.set_value(False),
        forget or KeysState.forget_key,
    ]
    return rx.fragment(
        keep,
        dialog(
            key_line(shown_key.value, on_copy=is_copied.set_value(True)),
            snippet_tabs(
                screen_snippets(), id="new-key-call", fill={KEY_PLACEHOLDER: shown_key.value}
            ),
            dialog_actions(
                button(
                    rx.cond(is_copied.value, "Done", "Close anyway"),
                    on_click=close,
                    variant="primary",
                )
            ),
            title="Copy your key now",
            description=(
                "This is the only time it is shown: we keep its digest, not the key. "
                "The call below works as it is."
            ),
            open=shown_key.value != "",
            on_open_change=close,
            stays=True,
            wide=True,
        ),
    )


def create_dialog() -> rx.Component:
    """Asks for the new key's name."""
    return dialog(
        rx.el.form(
            key_name_field(KeysState.errors["label"]),
            select_field("lifetime", "Expires", LIFETIME_CHOICES, prefix="create"),
            field(
                "allowed_ips",
                "Only from these addresses",
                error=KeysState.errors["allowed_ips"],
                hint="Such as 203.0.113.7, 198.51.100.0/24. Empty: from anywhere.",
                optional=True,
                prefix="create",
                auto_complete="off",
            ),
            dialog_actions(dialog_close(), button("Create key", kind="submit", variant="primary")),
            on_submit=KeysState.create_key,
            class_name="stack",
        ),
        title="Create a key",
        description="It works at once, until it expires or you revoke it.",
        open=KeysState.is_creating,
        on_open_change=KeysState.close_create,
    )


def rotate_dialog() -> rx.Component:
    """Asks how long the old key shall live on beside the new one."""
    return dialog(
        rx.el.form(
            select_field(
                "grace",
                "The old key works for another",
                GRACE_CHOICES,
                prefix="rotate",
                default_value="24h",
                hint="Put the new key into your programs in that time.",
            ),
            dialog_actions(dialog_close(), button("Rotate key", kind="submit", variant="primary")),
            on_submit=KeysState.rotate_key,
            class_name="stack",
        ),
        title=f"Rotate {KeysState.rotating_label}",
        description="Makes a new key with the same name and limits, shown once.",
        open=KeysState.rotating_id != "",
        on_open_change=KeysState.close_rotate,
    )


def revoke_dialog() -> rx.Component:
    """Says which key and what will break, and wants its name typed."""
    return typed_dialog(
        "revoke",
        KeysState.revoke_key,
        label="Type the key's name to confirm",
        error=KeysState.confirm_error,
        act="Revoke key",
        title=f"Revoke {KeysState.revoking_label}",
        description=(
            "Calls with it are refused within a second, for good. "
            f"It made {KeysState.revoking_calls} in the last 24 hours."
        ),
        open=KeysState.revoking_id != "",
        on_open_change=KeysState.close_revoke,
    )


def key_name_field(error: Text) -> rx.Component:
    """What a new key is to be called, as the form's `label`."""
    return field(
        "label",
        "Name",
        error=error,
        hint="What uses it, such as production or laptop.",
        prefix="create",
        default_value="default",
        auto_focus=True,
        max_length=LONGEST_LABEL,
        auto_complete="off",
    )
