"""Sending webhooks: signed as Stripe signs them, tried again as Stripe does."""

import asyncio
import hmac
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import httpx

from app.sandbox.books import Books, opened_books
from app.sandbox.config import Config
from app.sandbox.document import WALL, Document, Json

ANSWER_SECONDS = 10.0
LEASE_SECONDS = 30
"""How long another process leaves a delivery alone that this one is making."""

MOST_AT_ONCE = 8
RETRY_SECONDS = (5, 20, 80, 320, 1_280, 5_120, 20_480, 43_200, 86_400, 86_400)
"""Waits after failed tries, growing fourfold up to a day; given up after about three days."""

_SUCCESS = 2  # the hundreds of HTTP's success statuses

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Outcome:
    delivery_id: str
    status: int | None
    words: str

    @property
    def is_success(self) -> bool:
        return self.status is not None and self.status // 100 == _SUCCESS


def signature(payload: str, secret: str, at: int) -> str:
    """The `Stripe-Signature` header for this payload, sent at this Unix time."""
    digest = hmac.new(secret.encode(), f"{at}.{payload}".encode(), sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliveries:
    """Makes the deliveries that are due; any number of processes may."""

    def __init__(self, config: Config, client: httpx.AsyncClient):
        self._config = config
        self._client = client

    async def deliver_due(self) -> int:
        """Send what is due now, once each; how many there were."""
        claimed = await self._claim()
        outcomes = await asyncio.gather(*(self._send(*one) for one in claimed))
        if outcomes:
            async with opened_books(self._config.now, self._config.public_url) as books:
                for outcome in outcomes:
                    await _note(books, outcome)
        return len(claimed)

    async def _claim(self) -> Sequence[tuple[str, Json]]:
        async with opened_books(self._config.now, self._config.public_url) as books:
            due = await books.select(
                "kind = 'delivery' AND clock = :clock AND \"dueAt\" <= :wall",
                {"clock": WALL, "wall": books.wall},
                order='"dueAt", number',
                limit=MOST_AT_ONCE,
            )
            for delivery in due:
                delivery.due_at = books.wall + LEASE_SECONDS
                delivery.notes["attempts"] += 1
            return [(one.id, (await books.get("event", one["event"])).object) for one in due]

    async def _send(self, delivery_id: str, event: Json) -> _Outcome:
        payload = json.dumps(event, ensure_ascii=False, indent=2)
        at = int(self._config.now())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(payload, self._config.webhook_secret, at),
        }
        try:
            answer = await self._client.post(
                self._config.webhook_url, content=payload, headers=headers, timeout=ANSWER_SECONDS
            )
        except httpx.TimeoutException:
            return _Outcome(delivery_id, None, "no answer in time")
        except httpx.HTTPError as error:
            logger.info("The sandbox's webhook did not arrive: %r", error)
            return _Outcome(delivery_id, None, "not reached")
        return _Outcome(delivery_id, answer.status_code, answer.reason_phrase)


async def _note(books: Books, outcome: _Outcome) -> None:
    delivery = await books.get("delivery", outcome.delivery_id)
    delivery["last_status"], delivery["last_words"] = outcome.status, outcome.words
    if outcome.is_success:
        delivery["state"], delivery.due_at = "delivered", None
        event = await books.get("event", delivery["event"])
        event["pending_webhooks"] = 0
        return
    _retry_later(books, delivery)


def _retry_later(books: Books, delivery: Document) -> None:
    tries = delivery.notes["attempts"]
    if tries > len(RETRY_SECONDS):
        delivery["state"], delivery.due_at = "failed", None
        logger.warning("The sandbox gave up on delivering %s", delivery["event"])
        return
    delivery.due_at = books.wall + RETRY_SECONDS[tries - 1]


async def send_again(books: Books, delivery: Document) -> None:
    """Deliver it anew, now, whatever became of it before."""
    delivery["state"] = "pending"
    delivery.due_at = books.wall
    delivery.notes["attempts"] = 0
    (await books.get("event", delivery["event"]))["pending_webhooks"] = 1
    books.has_told = True
