"""Where the account is signed in, and how to end that."""

from typing import Any

import reflex as rx

from app.ui.components import (
    Column,
    badge,
    button,
    dialog,
    dialog_actions,
    dialog_close,
    form_button,
    hidden_field,
    mono,
    plain_form,
    relative_time,
    table,
)
from app.ui.pages.settings_state import SettingsState

SIGN_OUT = "/auth/sign-out"


def sessions_section() -> rx.Component:
    """The live sessions, this one first."""
    columns = [
        Column("Device", _device),
        Column("Network address", _address),
        Column("Signed in", lambda one: relative_time(one.created_at)),
        Column("Last seen", lambda one: relative_time(one.last_seen_at)),
        Column("Actions", _action, shrink=True, is_label_hidden=True),
    ]
    return rx.el.section(
        rx.el.h2("Sessions"),
        rx.el.p(
            "A session ends after 7 days without a visit, and after 30 in any case.",
            class_name="muted",
        ),
        table("Your sessions", columns, SettingsState.sessions),
        rx.cond(
            SettingsState.has_others,
            rx.el.div(
                button("Sign out all others", on_click=SettingsState.ask_to_end("others")),
                button("Sign out everywhere", on_click=SettingsState.ask_to_end("all")),
                class_name="row",
            ),
            rx.el.p("No other browser is signed in.", class_name="muted"),
        ),
        class_name="stack sessions",
        aria_label="Sessions",
    )


def end_others_dialog() -> rx.Component:
    """Says what ends, and what stays."""
    return dialog(
        dialog_actions(
            dialog_close(auto_focus=True),
            button("Sign out all others", on_click=SettingsState.end_others, variant="danger"),
        ),
        title="Sign out all other browsers",
        description="They are out with their next click. This browser stays signed in.",
        open=SettingsState.dialog == "others",
        on_open_change=SettingsState.close_dialog,
    )


def end_all_dialog() -> rx.Component:
    """Leads out by a plain form, which also takes this browser's cookie."""
    return dialog(
        dialog_actions(
            dialog_close(auto_focus=True),
            plain_form(
                hidden_field("everywhere", "1"),
                button("Sign out everywhere", kind="submit", variant="danger"),
                action=SIGN_OUT,
            ),
        ),
        title="Sign out everywhere",
        description="Every browser is signed out, also this one. Your keys keep working.",
        open=SettingsState.dialog == "all",
        on_open_change=SettingsState.close_dialog,
    )


def _device(one: Any) -> rx.Component:
    return rx.el.span(
        rx.el.strong(one.device),
        rx.cond(one.is_current, badge("This one", "accent")),
        class_name="row",
    )


def _address(one: Any) -> rx.Component:
    return rx.cond(one.address, mono(one.address), rx.el.span("not known", class_name="muted"))


def _action(one: Any) -> rx.Component:
    return rx.cond(
        one.is_current,
        form_button("Sign out", SIGN_OUT, variant="secondary"),
        button(
            "Sign out",
            on_click=SettingsState.end_session(one.id),
            aria_label="Sign out " + one.device,
        ),
    )
