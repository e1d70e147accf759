"""The words that components share in their signatures."""

from typing import Literal

import reflex as rx

Text = str | rx.Var[str]
"""Words known now, or a state's var."""

Tone = Literal["neutral", "accent", "ok", "warn", "bad"]
"""What a status means; each has one colour in light and one in dark."""

Variant = Literal["primary", "secondary", "quiet", "danger"]
"""How loud a button is. At most one primary on a page."""
