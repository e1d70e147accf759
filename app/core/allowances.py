"""How often something may be done, counted in PostgreSQL, so that it holds on every node.

A sliding limit: `most` at once, and then one each `seconds / most`. So nobody waits for a
window's end, and any span of `seconds` lets through fewer than twice `most`, as fixed windows
would; but a bucket is one row with one moment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import LatchkeyError

_MINUTE, _HOUR = 60, 3600
_ARGUMENTS = "(CAST(:buckets AS text[]), CAST(:most AS int[]), CAST(:seconds AS int[]), :cost)"
_TAKE = text(f"SELECT latchkey.take_allowance{_ARGUMENTS}")
_LOOK = text(f"SELECT latchkey.allowance_wait{_ARGUMENTS}")
_FORGET = text("""DELETE FROM latchkey."Allowance" WHERE "freeAt" <= clock_timestamp()""")


class TooManyRequests(LatchkeyError):
    """An allowance is used up. Which one is not said: that would tell of others' requests.

    Subclasses say in `words` what to do now, with the wait at `{wait}`.
    """

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    words = "This was asked for too often. Try again in {wait}."

    def __init__(self, wait_seconds: float) -> None:
        seconds = max(1, math.ceil(wait_seconds))
        super().__init__(
            self.words.format(wait=in_words(seconds)), headers={"retry-after": str(seconds)}
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one bucket gives: `most` at once, and as much again over `seconds`."""

    bucket: str
    most: int
    seconds: int


async def take(
    session: AsyncSession,
    allowances: Sequence[Allowance],
    *,
    cost: int = 1,
    refusal: type[TooManyRequests] = TooManyRequests,
) -> None:
    """Take `cost` from each, or from none. Raises the refusal.

    What was taken is taken when the transaction commits, and until then others wait for it: let
    it be short. `cost` must not be over the smallest `most`.
    """
    wait = await _wait(session, _TAKE, allowances, cost)
    if wait > 0:
        raise refusal(wait)


async def look(session: AsyncSession, allowances: Sequence[Allowance]) -> None:
    """Raise TooManyRequests if one could not be taken now; takes nothing."""
    wait = await _wait(session, _LOOK, allowances, 1)
    if wait > 0:
        raise TooManyRequests(wait)


async def forget_unused(session: AsyncSession) -> None:
    """Delete the buckets from which nothing is missing."""
    await session.exec(_FORGET)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only


def in_words(seconds: int) -> str:
    """A wait for people, rounded up: "1 second", "12 minutes", "2 hours"."""
    for unit, name in ((_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds > unit:
            return _counted(math.ceil(seconds / unit), name)
    return _counted(seconds, "second")


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


async def _wait(
    session: AsyncSession, statement: TextClause, allowances: Sequence[Allowance], cost: int
) -> float:
    params = {
        "buckets": [one.bucket for one in allowances],
        "most": [one.most for one in allowances],
        "seconds": [one.seconds for one in allowances],
        "cost": cost,
    }
    found = await session.exec(statement, params=params)  # type: ignore[call-overload]  # sqlmodel types exec for its own selects only
    return float(found.scalar_one())
