"""Figures: one number, what it counts, and how it compares."""

import reflex as rx

from app.ui.components.kinds import Text


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
