"""Clients that call in a loop, whatever happens, and remember what they were told."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

BETWEEN_REFUSED_CONNECTIONS_SECONDS = 0.02
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Answered:
    """An answer as its client saw it."""

    request_id: str
    status: int
    key_id: str


@dataclass
class Callers:
    """Clients of one API: each calls, waits for the answer, and calls again.

    `keys` are (id, secret), given out in turn.
    """

    url: str
    keys: Sequence[tuple[str, str]]
    count: int = 16
    answered: list[Answered] = field(default_factory=list)
    broken: int = 0
    """Calls that were sent and got no answer."""
    longest_seconds: float = 0.0
    """The longest that a call took until its answer."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    @property
    def acknowledged(self) -> list[Answered]:
        """The answers that promise a row: any but a 503."""
        return [answer for answer in self.answered if answer.status != 503]

    async def __aenter__(self) -> "Callers":
        for number in range(self.count):
            key = self.keys[number % len(self.keys)]
            self._tasks.append(asyncio.create_task(self._call_in_a_loop(*key)))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def until(self, is_so: Callable[["Callers"], bool], *, seconds: float = 30) -> None:
        """Return when enough has been answered, or broken off, for this to be so."""
        async with asyncio.timeout(seconds):
            while not is_so(self):
                self._news.clear()
                await self._news.wait()

    async def _call_in_a_loop(self, key_id: str, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        limits = httpx.Timeout(ANSWER_SECONDS)
        async with httpx.AsyncClient(headers=headers, timeout=limits) as client:
            while not self._stopping:
                await self._call(client, key_id)

    async def _call(self, client: httpx.AsyncClient, key_id: str) -> None:
        began = time.monotonic()
        try:
            reply = await client.post(f"{self.url}/api/v1/screen", json={"name": "Jane Doe"})
        except httpx.ConnectError:
            await asyncio.sleep(BETWEEN_REFUSED_CONNECTIONS_SECONDS)
        except httpx.TransportError:
            self.broken += 1
        else:
            request_id = reply.headers["x-request-id"]
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            self.answered.append(Answered(request_id, reply.status_code, key_id))
        self._news.set()
