"""Changing, ending and resuming a plan."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of what a change would cost; a negative amount is given back."""

    description: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What changing to another plan costs now, and from when on how much.

    `proration_at`: the moment, in Unix seconds, that the sums hold for.
    """

    lines: tuple[PreviewLine, ...]
    due_now_cents: int
    next_cents: int
    next_at: datetime
    proration_at: int
    currency: str


async def preview_change(user_id: str, tier_id: str, interval: str) -> ChangePreview:
    """What changing to this plan would cost now."""
    raise NotImplementedError


async def change_plan(user_id: str, tier_id: str, interval: str, *, proration_at: int) -> None:
    """Change to this plan, at the sums of the preview."""
    raise NotImplementedError


async def cancel(user_id: str) -> None:
    """Let the plan end with its period."""
    raise NotImplementedError


async def resume(user_id: str) -> None:
    """Let a plan that was to end go on."""
    raise NotImplementedError
