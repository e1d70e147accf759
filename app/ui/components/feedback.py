"""What a page says about itself: messages, nothing here yet, still loading."""

from typing import Literal

import reflex as rx

from app.ui.components.kinds import Text, Tone

Shape = Literal["text", "title", "row", "tile"]


def banner(
    *children: rx.Component | Text, tone: Tone = "neutral", action: rx.Component | None = None
) -> rx.Component:
    """A message across the page, with at most one action beside it."""
    return rx.el.div(
        rx.el.div(*children),
        *([action] if action is not None else []),
        class_name=f"banner banner-{tone}",
    )


def notice(message: Text, *, tone: Tone = "ok", action: rx.Component | None = None) -> rx.Component:
    """A banner that appears while `message` is not empty, and is read aloud when it does.

    Place it once, at the top of the page's content, and let events set the message.
    """
    return rx.el.div(
        rx.cond(message, banner(message, tone=tone, action=action)),
        role="alert" if tone == "bad" else "status",
        class_name="notice",
    )


def empty_state(
    title: str,
    *teaching: rx.Component | str,
    action: rx.Component | None = None,
) -> rx.Component:
    """Nothing here yet: what will be here, and the exact next step (text, then code)."""
    words = [
        rx.el.p(item, class_name="muted") if isinstance(item, str) else item for item in teaching
    ]
    return rx.el.div(
        rx.el.h2(title), *words, *([action] if action is not None else []), class_name="empty"
    )


def skeleton(*shapes: Shape, label: str = "Loading") -> rx.Component:
    """Grey shapes of what comes. They show only after 200 ms, so quick loads do not flash."""
    bars = [
        rx.el.div(class_name=f"skeleton skeleton-{shape}", aria_hidden=True) for shape in shapes
    ]
    return rx.el.div(
        rx.el.span(label, class_name="sr-only"), *bars, role="status", class_name="skeletons"
    )
