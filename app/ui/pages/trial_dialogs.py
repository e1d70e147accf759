"""The dialogs of a trial's page: make a key, revoke one, cancel the trial."""

import reflex as rx

from app.keys.options import LONGEST_LABEL
from app.ui.components import button, dialog, dialog_actions, dialog_close, field
from app.ui.pages.trial_state import TrialState


def create_key_dialog() -> rx.Component:
    """Asks for the new key's name."""
    return dialog(
        rx.el.form(
            field(
                "label",
                "Name",
                error=TrialState.errors["label"],
                hint="What uses it, such as production or laptop.",
                prefix="create",
                default_value="default",
                auto_focus=True,
                max_length=LONGEST_LABEL,
                auto_complete="off",
            ),
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
    return _typed(
        "revoke",
        TrialState.revoke_key,
        label="Type the key's name to confirm",
        act="Revoke key",
        title=f"Revoke {TrialState.revoking_label}",
        description=(
            "Calls with it are refused within a second, for good. "
            f"It made {TrialState.calls} in the last 24 hours."
        ),
    )


def cancel_trial_dialog() -> rx.Component:
    """Says what will break, for good."""
    return _typed(
        "cancel",
        TrialState.cancel_trial,
        label="Type the trial's name to confirm",
        act="Cancel trial",
        keep="Keep trial",
        title=f"Cancel {TrialState.trial.name}",
        description=(
            f"{_broken_keys()} There is no second trial of {TrialState.trial.tier} for twelve "
            "months after its start."
        ),
    )


def _broken_keys() -> rx.Var[str]:
    return rx.cond(
        TrialState.trial.key_count,
        f"Calls with {TrialState.trial.its_keys} are refused within a second, for good. "
        f"The trial made {TrialState.calls} in the last 24 hours.",
        "It ends at once, for good.",
    )


def _typed(
    name: str,
    on_submit: object,
    *,
    label: str,
    act: str,
    title: str,
    description: str,
    keep: str = "Cancel",
) -> rx.Component:
    """A dialog whose act needs a name to be typed; leaving it has the focus."""
    return dialog(
        rx.el.form(
            field(
                "confirm",
                label,
                error=TrialState.errors["confirm"],
                prefix=name,
                auto_complete="off",
            ),
            dialog_actions(
                dialog_close(keep, auto_focus=True),
                button(act, kind="submit", variant="danger"),
            ),
            on_submit=on_submit,
            class_name="stack",
        ),
        title=title,
        description=description,
        open=TrialState.dialog == name,
        on_open_change=TrialState.close_dialog,
    )
