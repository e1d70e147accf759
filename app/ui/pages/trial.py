"""A trial's own page: its time and units, its keys, and what becomes of it."""

import reflex as rx

from app.ui.components import (
    badge,
    banner,
    button,
    day_time,
    empty_state,
    leave_for,
    link_button,
    meter,
    notice,
    skeleton,
)
from app.ui.pages.conversion_dialog import convert_dialogs
from app.ui.pages.conversion_state import ConversionState
from app.ui.pages.frame import portal_page
from app.ui.pages.key_dialogs import new_key_dialog
from app.ui.pages.trial_dialogs import (
    cancel_trial_dialog,
    create_key_dialog,
    revoke_key_dialog,
)
from app.ui.pages.trial_keys import call_section, key_section
from app.ui.pages.trial_state import TrialState

REFRESH_INTERVAL_MS = 3000


def trial_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        trial_title(),
        notice(TrialState.message),
        rx.cond(
            TrialState.is_loaded,
            rx.cond(TrialState.is_missing, _no_trial(), _trial()),
            skeleton("tile", "row", "row"),
        ),
        create_key_dialog(),
        revoke_key_dialog(),
        cancel_trial_dialog(),
        convert_dialogs(),
        new_key_dialog(TrialState.new_key, TrialState.forget_key),
        leave_for(ConversionState.leaving_to),
        purpose=rx.cond(
            TrialState.trial.tier,
            f"A trial of {TrialState.trial.tier}, with keys and units of its own.",
            "A trial, with keys and units of its own.",
        ),
        parent=("Trials", "/trials/"),
        active="/trials/",
        action=rx.cond(
            TrialState.trial.can_convert,
            button("Convert to a plan", on_click=ConversionState.open_convert, variant="primary"),
        ),
    )


def trial_title() -> rx.Var[str]:
    """The trial's name, once it is known."""
    return rx.cond(TrialState.trial.name, TrialState.trial.name, "Trial")


def _no_trial() -> rx.Component:
    return empty_state(
        "There is no such trial here",
        "The address may be mistyped, the trial's data may have been deleted, or it belongs to "
        "another account than the one that you are signed in with.",
        action=link_button("See your trials", "/trials/"),
    )


def _trial() -> rx.Component:
    is_active = TrialState.trial.status == "active"
    return rx.el.div(
        rx.moment(interval=REFRESH_INTERVAL_MS, on_change=TrialState.refresh, display="none"),
        rx.match(
            TrialState.trial.status,
            ("expired", _expired()),
            ("converted", _converted()),
            ("cancelled", _cancelled()),
            rx.cond(TrialState.trial.is_used_up, _used_up()),
        ),
        _card(),
        key_section(),
        rx.cond(is_active, call_section()),
        class_name="stack-l",
    )


def _card() -> rx.Component:
    """How long, and how much of it is used."""
    trial = TrialState.trial
    end = rx.match(
        trial.status,
        ("active", "Ends on "),
        ("expired", "Ended on "),
        ("converted", "Converted on "),
        "Cancelled on ",
    )
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2(f"{trial.tier} trial"), badge(trial.badge, trial.tone), class_name="row"
            ),
            rx.el.div(
                link_button("See calls in Logs", "/logs/"),
                rx.cond(trial.can_cancel, button("Cancel trial", on_click=TrialState.open_cancel)),
                class_name="row",
            ),
            class_name="row row-between row-top",
        ),
        meter(
            trial.used_percent,
            f"{trial.units} units used",
            rx.fragment(end, day_time(trial.end_at, trial.end_moment), ". ", trial.extended),
        ),
        aria_label="This trial",
        class_name="card stack",
    )


def _used_up() -> rx.Component:
    return banner(
        rx.el.strong("All units of this trial are used: calls that cost units are refused. "),
        "Convert it to a plan to go on with the same keys.",
        tone="warn",
    )


def _expired() -> rx.Component:
    """What no longer works, until when it can be saved, and how."""
    trial = TrialState.trial
    return rx.cond(
        trial.is_data_due,
        banner("This trial is over, and its keys and calls are being deleted.", tone="warn"),
        banner(
            rx.el.strong("This trial is over: calls with its keys are refused. "),
            "Convert it to a plan and the same keys work again. Otherwise its keys and calls are "
            "deleted on ",
            day_time(trial.data_at, trial.data_day),
            ".",
            tone="warn",
        ),
    )


def _converted() -> rx.Component:
    return banner(
        rx.el.strong("This trial goes on as part of your plan. "),
        "Its keys are live keys now: the same ones, with the limits of the plan.",
        tone="ok",
        action=link_button("See your keys", "/keys/"),
    )


def _cancelled() -> rx.Component:
    trial = TrialState.trial
    return banner(
        rx.el.strong("This trial was cancelled and its keys are revoked. "),
        "What is left of it is deleted on ",
        day_time(trial.data_at, trial.data_day),
        ".",
        action=link_button("See the plans", "/pricing/"),
    )
