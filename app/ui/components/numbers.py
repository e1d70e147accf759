"""Figures: one number, what it counts, and how it compares."""

import reflex as rx

from app.ui.components.kinds import Text

NEARLY_FULL, FULL = 80, 100
"""From which percentage on a meter is amber, and red."""


def metric_tile(label: str, value: Text, *, unit: str = "", note: Text = "") -> rx.Component:
    """One figure with its unit; `note` says the comparison or the day it resets."""
    return rx.el.div(
        rx.el.dt(label),
        rx.el.dd(
            rx.el.span(
                value, *([rx.el.span(unit, class_name="unit")] if unit else []), class_name="value"
            ),
        ),
        *([rx.el.dd(note, class_name="note")] if not isinstance(note, str) or note else []),
        class_name="card tile",
    )


def metric_tiles(*tiles: rx.Component) -> rx.Component:
    """Figures side by side, as many as fit."""
    return rx.el.dl(*tiles, class_name="tiles")


def meter(percent: int | rx.Var[int], words: Text, note: rx.Component) -> rx.Component:
    """How much of a whole is used: `words` with the unit, a note beside, and a bar for the eye.

    `percent` may pass 100; from 80 on the bar is amber, from 100 on red.
    """
    share = rx.Var.create(percent).to(int)
    tone = rx.cond(share >= FULL, "bad", rx.cond(share >= NEARLY_FULL, "warn", "accent"))
    width = rx.cond(share > FULL, FULL, share).to_string() + "%"
    fill = rx.el.div(style={"width": width}, class_name=f"meter-fill meter-{tone}")
    return rx.el.div(
        rx.el.div(rx.el.p(words), rx.el.p(note, class_name="muted"), class_name="meter-words"),
        rx.el.div(fill, aria_hidden=True, class_name="meter"),
        class_name="stack-s",
    )
