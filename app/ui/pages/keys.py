"""The keys page: make, see, approve, rotate and revoke."""

from typing import Any

import reflex as rx

from app.ui.components import (
    Column,
    badge,
    button,
    empty_state,
    key_badge,
    menu,
    menu_item,
    mono,
    notice,
    relative_time,
    skeleton,
    table,
)
from app.ui.pages.frame import portal_page
from app.ui.pages.key_dialogs import create_dialog, new_key_dialog, revoke_dialog, rotate_dialog
from app.ui.pages.keys_state import KeysState


def keys_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Keys",
        notice(KeysState.message),
        notice(KeysState.waiting, tone="warn"),
        notice(KeysState.leaked, tone="bad"),
        rx.cond(
            KeysState.is_loaded,
            rx.cond(KeysState.keys, _key_table(), _no_keys()),
            skeleton("row", "row", "row"),
        ),
        create_dialog(),
        rotate_dialog(),
        revoke_dialog(),
        new_key_dialog(),
        purpose="Your programs sign in with these. A key is shown once, when it is made.",
        active="/keys/",
        action=button("Create key", on_click=KeysState.open_create, variant="primary", icon="plus"),
    )


def _key_table() -> rx.Component:
    columns = [
        Column("Name", lambda key: rx.el.strong(key.label)),
        Column("Key", lambda key: mono(key.start + "…")),
        Column("Status", _status),
        Column("Last used", lambda key: relative_time(key.last_used_at)),
        Column("Created", lambda key: relative_time(key.created_at)),
        Column("Ends", _end),
        Column("Actions", _actions, shrink=True, is_label_hidden=True),
    ]
    return table("Your keys", columns, KeysState.keys)


def _actions(key: Any) -> rx.Component:
    revoke = menu_item("Revoke", on_click=KeysState.open_revoke(key.id), danger=True)
    rotate = menu_item("Rotate", on_click=KeysState.open_rotate(key.id))
    approve = menu_item("Approve", on_click=KeysState.approve_key(key.id))
    return rx.cond(
        key.status == "revoked",
        rx.fragment(),
        menu(
            "Actions for " + key.label,
            [
                rx.cond(key.status == "pending_verification", approve, rx.fragment()),
                rx.cond(key.can_rotate, rotate, rx.fragment()),
                revoke,
            ],
            id="actions-" + key.id,
        ),
    )


def _no_keys() -> rx.Component:
    return empty_state(
        "No keys yet",
        "Make one and your first call is a minute away.",
        action=button("Create key", on_click=KeysState.open_create, icon="plus"),
    )


def _status(key: Any) -> rx.Component:
    """Whether the key works, whether others may know it, and where it came from."""
    return rx.el.span(
        key_badge(key.status),
        rx.cond(key.is_leaked, badge("Leaked", "bad")),
        rx.cond(key.is_exposed, badge("Exposed", "bad")),
        rx.cond(key.was_trial, badge("From a trial")),
        class_name="row",
    )


def _end(key: Any) -> rx.Component:
    """When the key stops working: by its replacement or a report, by its expiry, or never."""
    return rx.cond(
        key.grace_ends_at != "",
        rx.fragment(
            rx.cond(key.is_exposed, "reported, ends ", "replaced, ends "),
            relative_time(key.grace_ends_at),
        ),
        relative_time(key.expires_at),
    )
