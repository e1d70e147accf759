"""Asking a provider's server: quick or not at all, and never more than it may say."""

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

import httpx

from app.integrations.oauth.errors import ProviderUnavailable

ANSWER_SECONDS = 8.0
"""How long one answer may take, from the name's look-up to the last byte."""

MAX_ANSWER_BYTES = 256 * 1024
_FIRST_SERVER_FAULT = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer below 500: its status, and its JSON."""

    status: int
    data: Any

    @property
    def is_ok(self) -> bool:
        """Whether it is a 200."""
        return self.status == httpx.codes.OK


class Fetcher:
    """Asks for JSON; follows no redirect. Used by the event loop that made it.

    `seconds` and `transport` are others in tests only.
    """

    def __init__(
        self,
        *,
        seconds: float = ANSWER_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._seconds = seconds
        # sign-ins are rare: a connection kept for the next one would be closed by then
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            timeout=seconds,
            limits=limits,
            headers={"Accept": "application/json"},
            transport=transport,
        )

    async def get(self, url: str, *, token: str | None = None) -> Fetched:
        """GET, with a bearer token if there is one. Raises ProviderUnavailable."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._ask("GET", url, headers=headers)

    async def post(self, url: str, *, headers: dict[str, str], body: str) -> Fetched:
        """POST of a form that is already encoded. Raises ProviderUnavailable."""
        return await self._ask("POST", url, headers=headers, content=body)

    async def _ask(self, method: str, url: str, **options: Any) -> Fetched:
        host = httpx.URL(url).host
        try:
            async with asyncio.timeout(self._seconds):
                status, body = await self._read(method, url, **options)
            if status >= _FIRST_SERVER_FAULT or status == httpx.codes.TOO_MANY_REQUESTS:
                raise ProviderUnavailable
            return Fetched(status, json.loads(body))
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            # neither address nor words: both may hold a code
            logger.warning("%s did not answer rightly: %s", host, type(error).__name__)
            raise ProviderUnavailable from error

    async def _read(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        async with self._client.stream(method, url, **options) as answer:
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ValueError("the answer is too large")
            return answer.status_code, body
