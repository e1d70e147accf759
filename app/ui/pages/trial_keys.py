"""The keys of a trial, on its own page, and how to call with one."""

from typing import Any

import reflex as rx

from app.trials.keys import MOST_KEYS
from app.ui.components import (
    Column,
    badge,
    button,
    empty_state,
    key_badge,
    menu,
    menu_item,
    mono,
    relative_time,
    snippet_tabs,
    table,
)
from app.ui.pages.key_dialogs import shown_key
from app.ui.pages.snippets import KEY_PLACEHOLDER, screen_snippets
from app.ui.pages.trial_state import TrialState


def key_section() -> rx.Component:
    """The table, or how to make the first one."""
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Keys"),
            rx.cond(TrialState.keys, rx.cond(TrialState.trial.can_make_key, _create())),
            class_name="row row-between",
        ),
        rx.cond(
            TrialState.keys,
            table("Keys of this trial", _columns(), TrialState.keys),
            rx.cond(
                TrialState.trial.can_make_key,
                empty_state(
                    "No keys yet",
                    "Make one and your first call is a minute away. "
                    f"A trial has up to {MOST_KEYS}.",
                    action=_create(),
                ),
                rx.el.p("It has no keys.", class_name="muted"),
            ),
        ),
        class_name="stack",
        aria_label="Keys",
    )


def call_section() -> rx.Component:
    """How to call; the key is filled in while it is on the screen."""
    key = rx.cond(shown_key.value != "", shown_key.value, KEY_PLACEHOLDER)
    return rx.el.section(
        rx.el.h2("Make a call"),
        snippet_tabs(screen_snippets(), id="trial-call", fill={KEY_PLACEHOLDER: key}),
        class_name="stack",
        aria_label="Make a call",
    )


def _create() -> rx.Component:
    return button("Create key", on_click=TrialState.open_create, icon="plus")


def _columns() -> list[Column]:
    return [
        Column("Name", lambda key: rx.el.strong(key.label)),
        Column("Key", lambda key: mono(key.start + "…")),
        Column("Status", _status),
        Column("Last used", lambda key: relative_time(key.last_used_at)),
        Column("Created", lambda key: relative_time(key.created_at)),
        Column("Actions", _actions, shrink=True, is_label_hidden=True),
    ]


def _status(key: Any) -> rx.Component:
    """Whether the key works, whether others may know it, and when it ends before the trial."""
    return rx.el.span(
        key_badge(key.status),
        rx.cond(key.is_exposed, badge("Exposed", "bad")),
        rx.cond(key.is_leaked, badge("Leaked", "bad")),
        rx.cond(key.ends_at, rx.el.span("ends ", relative_time(key.ends_at))),
        class_name="row",
    )


def _actions(key: Any) -> rx.Component:
    revoke = menu_item("Revoke", on_click=TrialState.open_revoke(key.id), danger=True)
    return rx.cond(
        key.can_revoke,
        menu("Actions for " + key.label, [revoke], id="actions-" + key.id),
        rx.fragment(),
    )
