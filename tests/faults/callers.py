"""Clients that call in a loop, whatever happens, and remember what they were told."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

BETWEEN_REFUSED_CONNECTIONS_SECONDS = 0.02
ANSWER_SECONDS = 30
BODY = {"name": "Jane Doe"}
Key = tuple[str, str]
"""A key's id and its secret."""


@dataclass(frozen=True)
class Answered:
    """An answer as its client saw it. Times are of the monotonic clock."""

    request_id: str
    status: int
    code: str
    """Of the problem; empty for a good answer."""
    key_id: str
    url: str
    began_at: float
    ended_at: float


@dataclass(frozen=True)
class Broken:
    """A call that was sent and got no answer."""

    began_at: float
    ended_at: float


@dataclass
class Callers:
    """Clients of an API's nodes: each calls, waits for the answer, and calls again.

    Nodes and keys are given out in turn, so that each key reaches each node.
    """

    urls: Sequence[str]
    keys: Sequence[Key]
    count: int = 16
    path: str = "/api/v1/screen"
    answered: list[Answered] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    @property
    def acknowledged(self) -> list[Answered]:
        """The answers that promise a row: any but a 503."""
        return [answer for answer in self.answered if answer.status != 503]

    @property
    def good(self) -> list[Answered]:
        return [answer for answer in self.answered if answer.status == 200]

    @property
    def statuses(self) -> dict[int, int]:
        return dict(Counter(answer.status for answer in self.answered))

    @property
    def longest_seconds(self) -> float:
        """The longest that a call took until its answer, or its end without one."""
        calls = [*self.answered, *self.broken]
        return max((call.ended_at - call.began_at for call in calls), default=0.0)

    async def __aenter__(self) -> "Callers":
        for number in range(self.count):
            url = self.urls[number % len(self.urls)]
            key = self.keys[number // len(self.urls) % len(self.keys)]
            self._tasks.append(asyncio.create_task(self._call_in_a_loop(url, *key)))
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

    async def some_answers(self) -> None:
        """Return when each client has had an answer, on average."""
        enough = len(self.answered) + self.count
        await self.until(lambda now: len(now.answered) >= enough)

    async def seconds_until_served(self) -> float:
        """How long it takes from now on until there is a good answer again."""
        began, before = time.monotonic(), len(self.good)
        await self.until(lambda now: len(now.good) > before, seconds=60)
        return time.monotonic() - began

    async def _call_in_a_loop(self, url: str, key_id: str, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        limits = httpx.Timeout(ANSWER_SECONDS)
        async with httpx.AsyncClient(headers=headers, timeout=limits) as client:
            while not self._stopping:
                await self._call(client, url, key_id)

    async def _call(self, client: httpx.AsyncClient, url: str, key_id: str) -> None:
        began = time.monotonic()
        try:
            reply = await client.post(url + self.path, json=BODY)
        except httpx.ConnectError:
            await asyncio.sleep(BETWEEN_REFUSED_CONNECTIONS_SECONDS)
        except httpx.TransportError:
            self.broken.append(Broken(began, time.monotonic()))
        else:
            ended = time.monotonic()
            code = "" if reply.status_code < 400 else reply.json()["code"]
            request_id, status = reply.headers["x-request-id"], reply.status_code
            self.answered.append(Answered(request_id, status, code, key_id, url, began, ended))
        self._news.set()
