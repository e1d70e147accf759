"""A flood of requests, as a program: `python -m tests.faults.flood URL SECONDS RATE KEY`.

RATE requests a second at most, as many as are answered if that is less. KEY `unknown` stands for
another well-formed key in each request. Says "ready" once its requests are made, waits for a line,
and at the end prints what was answered, by status, as JSON.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

from app.keys.format import new_key
from tests.faults.raw_client import request_bytes

CONNECTIONS = 32
AT_ONCE = 16
"""Requests that one connection sends before it reads their answers."""

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


async def flood(url: str, end: float, rate: float, blocks: list[bytes]) -> Counter[str]:
    """How often each status was answered, until this time of the monotonic clock."""
    answered: Counter[str] = Counter()
    parts = urlsplit(url)
    every_seconds = CONNECTIONS * AT_ONCE / rate

    async def pour() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        due = time.monotonic()
        while time.monotonic() < end and blocks:
            writer.write(blocks.pop())
            answered.update(await _statuses(reader))
            due = max(due + every_seconds, time.monotonic() - every_seconds)
            await asyncio.sleep(due - time.monotonic())
        writer.transport.abort()

    await asyncio.gather(*(pour() for _ in range(CONNECTIONS)))
    return answered


async def _statuses(reader: asyncio.StreamReader) -> list[str]:
    """Of AT_ONCE answers; only their first lines are looked at, to be fast."""
    read = b""
    found: list[bytes] = []
    while len(found) < AT_ONCE:
        part = await reader.read(1 << 16)
        if not part:
            return [*map(bytes.decode, found), "closed"]
        read += part
        found = _STATUS.findall(read)
    return [one.decode() for one in found]


def _blocks(count: int, key: str) -> list[bytes]:
    return [
        b"".join(
            request_bytes(new_key("live") if key == "unknown" else key) for _ in range(AT_ONCE)
        )
        for _ in range(count)
    ]


if __name__ == "__main__":
    url, seconds, rate, key = sys.argv[1:]
    made = _blocks(int(float(seconds) * float(rate) / AT_ONCE), key)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    counts = asyncio.run(flood(url, time.monotonic() + float(seconds), float(rate), made))
    sys.stdout.write(json.dumps(counts))
