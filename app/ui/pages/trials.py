"""The trials page: what the account tries or has tried, and how to start a trial."""

from typing import Any

import reflex as rx

from app.billing.plans import get_plans
from app.trials.service import LONGEST_NAME
from app.trials.tiers import list_trial_tiers
from app.ui.components import (
    Column,
    badge,
    button,
    choice_field,
    day_time,
    dialog,
    dialog_actions,
    dialog_close,
    empty_state,
    field,
    link_button,
    skeleton,
    table,
)
from app.ui.figures import count
from app.ui.pages.frame import portal_page
from app.ui.pages.trials_state import TrialsState
from app.ui.trial_words import days_words, trial_gives

REFRESH_INTERVAL_MS = 10_000


def trials_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Trials",
        rx.cond(
            TrialsState.is_loaded,
            rx.cond(TrialsState.trials, _trial_table(), _no_trials()),
            skeleton("row", "row", "row"),
        ),
        rx.moment(interval=REFRESH_INTERVAL_MS, on_change=TrialsState.refresh, display="none"),
        _start_dialog(),
        purpose="Try a paid plan before you buy it, and keep the same keys when you do.",
        active="/trials/",
        action=_start_button(variant="primary"),
    )


def _start_button(**props: Any) -> rx.Component:
    return button("Start a trial", on_click=TrialsState.open_start, icon="plus", **props)


def _trial_table() -> rx.Component:
    columns = [
        Column("Name", _link),
        Column("Plan", lambda trial: trial.tier, shrink=True),
        Column("Status", lambda trial: badge(trial.badge, trial.tone), shrink=True),
        Column("Units used", lambda trial: trial.units, numeric=True, shrink=True),
        Column("Keys", lambda trial: trial.key_count, numeric=True, shrink=True),
        Column("End", _end, numeric=True, shrink=True),
    ]
    return table("Your trials", columns, TrialsState.trials)


def _link(trial: Any) -> rx.Component:
    return rx.el.a(trial.name, href="/trials/" + trial.slug + "/", class_name="row-link")


def _end(trial: Any) -> rx.Component:
    return day_time(trial.end_at, trial.end_day)


def _no_trials() -> rx.Component:
    terms = get_plans().trials
    return empty_state(
        "No trials yet",
        f"A trial has keys of its own and {count(terms.units)} units, with the limits of the plan "
        f"that you try. It lasts {days_words(terms.days)}, needs no card, and ends by itself.",
        "When you buy the plan, its keys go on working: nothing to change in your programs.",
        action=_start_button(),
    )


def _start_dialog() -> rx.Component:
    """Two fields: what it is called, and which plan is tried."""
    return dialog(
        rx.el.form(
            field(
                "name",
                "Name",
                error=TrialsState.errors["name"],
                hint="The company or project that it is for, such as Acme.",
                prefix="start",
                auto_focus=True,
                max_length=LONGEST_NAME,
                auto_complete="organization",
            ),
            choice_field(
                "tier_id",
                "Plan to try",
                [(tier.id, tier.name, trial_gives(tier)) for tier in list_trial_tiers()],
                chosen=TrialsState.wanted_tier,
                error=TrialsState.errors["tier_id"],
                prefix="start",
            ),
            rx.cond(TrialsState.taken_tier, _way_on()),
            dialog_actions(dialog_close(), button("Start trial", kind="submit", variant="primary")),
            on_submit=TrialsState.start_trial,
            class_name="stack",
        ),
        title="Start a trial",
        description="No card needed. It begins now, and ends by itself.",
        open=TrialsState.is_starting,
        on_open_change=TrialsState.close_start,
    )


def _way_on() -> rx.Component:
    """For whom this trial is not to be had: the plan itself."""
    return rx.el.p(
        link_button(
            f"Buy {TrialsState.taken_name}",
            f"/billing/?plan={TrialsState.taken_tier}&interval=month",
        ),
        class_name="row",
    )
