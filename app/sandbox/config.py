"""What a sandbox is told when it is made."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.sandbox.books import Now
from app.sandbox.shapes.catalog import SandboxPrice


@dataclass(frozen=True)
class Config:
    """Its prices, its key, where its pages are, where its webhooks go, and what time it is."""

    prices: Sequence[SandboxPrice]
    public_url: str
    api_key: str
    webhook_url: str
    webhook_secret: str
    now: Now
