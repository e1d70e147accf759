"""The months of the two logs of calls, made ahead of time.

`latchkey.make_call_months`, a function of the database, does it; here is when and how
patiently. The migration calls the same function, so there is one way to make a month.
"""

import logging
import random
from asyncio import sleep as pause

import psycopg

MONTHS_AHEAD = 3
"""How many months after the present one have a partition. One would do; the rest is for rest."""

_ATTEMPTS = 30
_LOCK_TIMEOUT = "200ms"
_PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


async def make_months(url: str, ahead: int = MONTHS_AHEAD) -> int:
    """Make the months that are missing, up to `ahead` from now; returns how many were.

    Also those that somebody has detached or dropped in between; what was detached is attached.

    Call it at start and daily: when nothing is missing it takes no lock and one statement.
    Making a month takes the log for itself for some milliseconds. It waits for that no
    longer than 200 ms at a time, since every call that is being recorded waits behind it,
    and tries again about each second for half a minute. Raises psycopg's LockNotAvailable
    after that; nothing is lost by it, for the range after the last month takes all ids.
    """
    async with await psycopg.AsyncConnection.connect(url, prepare_threshold=None) as connection:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await _make_once(connection, ahead)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                if attempt == _ATTEMPTS:
                    raise
                logger.info("the log of calls is busy; making its months again in a moment")
                # Several nodes that start together must not meet again.
                await pause(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 # no secret
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _make_once(connection: psycopg.AsyncConnection, ahead: int) -> int:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        cursor = await connection.execute("SELECT latchkey.make_call_months(%s)", [ahead])
        row = await cursor.fetchone()
    made = int(row[0]) if row else 0
    if made:
        logger.info("made %s partitions for coming months of calls", made)
    return made
