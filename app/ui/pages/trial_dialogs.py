"""The dialogs of a trial's page: make a key, revoke one, cancel the trial."""

import reflex as rx

from app.ui.components import button, dialog, dialog_actions, dialog_close, typed_dialog
from app.ui.pages.key_dialogs import key_name_field
from app.ui.pages.trial_state import TrialState


def create_key_dialog() -> rx.Component:
    """Asks for the new key's name."""
    return dialog(
        rx.el.form(
            key_name_field(TrialState.errors["label"]),
            dialog_actions(dialog_close(), button("Create key", kind="submit", variant="primary")),
            on_submit=TrialState.create_key,
            class_name="stack",
        ),
        title="Create a trial key",
        description=f"It works at once, until {TrialState.trial.end_moment}.",
        open=TrialState.dialog == "create",
        on_open_change=TrialState.close_dialog,
    )


def revoke_key_dialog() -> rx.Component:
    """Says which key and what will break."""
    return typed_dialog(
        "revoke",
        TrialState.revoke_key,
        label="Type the key's name to confirm",
        error=TrialState.errors["confirm"],
        act="Revoke key",
        title=f"Revoke {TrialState.revoking_label}",
        description=(
            "Calls with it are refused within a second, for good. "
            f"It made {TrialState.calls} in the last 24 hours."
        ),
        open=TrialState.dialog == "revoke",
        on_open_change=TrialState.close_dialog,
    )


def cancel_trial_dialog() -> rx.Component:
    """Says what will break, for good."""
    return typed_dialog(
        "cancel",
        TrialState.cancel_trial,
        label="Type the trial's name to confirm",
        error=TrialState.errors["confirm"],
        act="Cancel trial",
        keep="Keep trial",
        title=f"Cancel {TrialState.trial.name}",
        description=(
            f"{_broken_keys()} There is no second trial of {TrialState.trial.tier} for twelve "
            "months after its start."
        ),
        open=TrialState.dialog == "cancel",
        on_open_change=TrialState.close_dialog,
    )


def _broken_keys() -> rx.Var[str]:
    return rx.cond(
        TrialState.trial.key_count,
        f"Calls with {TrialState.trial.its_keys} are refused within a second, for good. "
        f"The trial made {TrialState.calls} in the last 24 hours.",
        "It ends at once, for good.",
    )
