"""Status as a word and a colour, never the colour alone."""

import reflex as rx

from app.ui.components.kinds import Text, Tone

_CLASSES: tuple[tuple[int, str, Tone], ...] = (
    (200, "Answered", "ok"),
    (400, "Refused", "warn"),
    (500, "Failed", "bad"),
)
"""From which status on a call reads as what."""


def badge(word: Text, tone: Tone | rx.Var[str] = "neutral") -> rx.Component:
    """A word with its colour. `tone` may come from the state, as one of the tones' names."""
    return rx.el.span(word, class_name=f"badge badge-{tone}")


def key_badge(status: Text) -> rx.Component:
    """A key's status in words, from `ApiKeyMetadata.status` or `TrialApiKey.status`."""
    return rx.match(
        status,
        ("active", badge("Active", "ok")),
        ("pending_verification", badge("Needs approval", "warn")),
        ("revoked", badge("Revoked", "neutral")),
        ("expired", badge("Expired", "neutral")),
        ("converted", badge("Converted", "accent")),
        badge(status),
    )


def call_badge(status_code: int | rx.Var[int]) -> rx.Component:
    """An HTTP status with what it means for the caller: "200 Answered", "401 Refused".

    0 stands for a call that was admitted but not completed.
    """
    code = rx.Var.create(status_code).to(int)
    meaning = badge("Not completed")
    for least, word, tone in _CLASSES:
        meaning = rx.cond(code >= least, badge(code.to_string() + f" {word}", tone), meaning)
    return meaning
