"""Times: UTC, or how long ago, with the exact moment and the reader's own in the title."""

from typing import Any

import reflex as rx

from app.ui.components.kinds import Text


class _Time(rx.Component):
    """`assets/components/time.js`: a <time> that keeps itself up to date."""

    library = "$/public/components/time.js"
    tag = "Time"

    at: rx.Var[str]
    relative: rx.Var[bool]
    empty: rx.Var[str]
    text: rx.Var[str]


def relative_time(at: Text, *, empty: str = "never") -> rx.Component:
    """How long ago, kept current ("3 minutes ago"); "" shows `empty`, dimmed.

    `at` is ISO 8601 with its zone. The title has the moment in UTC and in the reader's zone.
    """
    return _create(at=at, relative=True, empty=empty)


def utc_time(at: Text, *, empty: str = "none") -> rx.Component:
    """The moment itself ("2026-11-23 03:14:07 UTC"), the reader's own time in the title."""
    return _create(at=at, relative=False, empty=empty)


def day_time(at: Text, day: Text) -> rx.Component:
    """A moment of which only the day matters: `day` in words, the rest in the title."""
    return _create(at=at, relative=False, empty="none", text=day)


def _create(**props: Any) -> rx.Component:
    component: rx.Component = _Time.create(**props)
    return component
