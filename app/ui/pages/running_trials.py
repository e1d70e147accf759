"""The trials that run, in short, for the overview."""

from typing import Any

import reflex as rx

from app.ui.components import badge, day_time, meter
from app.ui.pages.trials_state import TrialsState

REFRESH_INTERVAL_MS = 10_000


def running_trials() -> rx.Component:
    """Each with what is left of its time and units; nothing where none runs."""
    return rx.cond(
        TrialsState.running,
        rx.el.section(
            rx.moment(interval=REFRESH_INTERVAL_MS, on_change=TrialsState.refresh, display="none"),
            rx.foreach(TrialsState.running, _trial),
            aria_label="Your trials",
            class_name="tiles tiles-wide",
        ),
    )


def _trial(trial: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.a(trial.name, href="/trials/" + trial.slug + "/", class_name="row-link"),
            badge(trial.badge, trial.tone),
            class_name="row row-between",
        ),
        meter(
            trial.used_percent,
            f"{trial.units} units",
            rx.fragment(f"{trial.tier} trial, ends on ", day_time(trial.end_at, trial.end_day)),
        ),
        class_name="card tile",
    )
