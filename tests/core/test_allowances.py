"""How often something may be done: exactly so often, also for many at once, by the database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from app.core import allowances
from app.core.allowances import Allowance, TooManyRequests, in_words
from app.core.networks import UNKNOWN, network_of
from tests.conftest import UnitOfWork

FIVE = Allowance("five", 5, 3600)
ONE = Allowance("one", 1, 30)


async def taken(unit_of_work: UnitOfWork, *wanted: Allowance, cost: int = 1) -> int | None:
    """None if it was taken, else the seconds to wait."""
    try:
        async with unit_of_work() as session:
            await allowances.take(session, wanted, cost=cost)
    except TooManyRequests as refusal:
        return int(refusal.headers["retry-after"])
    return None


async def pass_seconds(unit_of_work: UnitOfWork, seconds: float) -> None:
    async with unit_of_work() as session:
        connection = await session.connection()
        await connection.execute(
            text("""UPDATE latchkey."Allowance"
            SET "freeAt" = "freeAt" - make_interval(secs => :seconds)"""),
            {"seconds": seconds},
        )


async def buckets(unit_of_work: UnitOfWork) -> set[str]:
    async with unit_of_work() as session:
        rows = await session.exec(text('SELECT bucket FROM latchkey."Allowance"'))  # type: ignore[call-overload]
        return {row[0] for row in rows}


async def test_so_many_may_be_taken_at_once_and_then_one_by_one(unit_of_work: UnitOfWork) -> None:
    assert [await taken(unit_of_work, FIVE) for _ in range(5)] == [None] * 5
    assert await taken(unit_of_work, FIVE) == 720
    await pass_seconds(unit_of_work, 719)
    assert await taken(unit_of_work, FIVE) == 1
    await pass_seconds(unit_of_work, 1)
    assert await taken(unit_of_work, FIVE) is None
    assert await taken(unit_of_work, FIVE) in {719, 720}


async def test_all_is_there_again_after_its_time(unit_of_work: UnitOfWork) -> None:
    assert await taken(unit_of_work, FIVE, cost=5) is None
    await pass_seconds(unit_of_work, 3600)
    assert [await taken(unit_of_work, FIVE) for _ in range(6)][:5] == [None] * 5


async def test_rest_unused_gives_no_more_than_the_most(unit_of_work: UnitOfWork) -> None:
    assert await taken(unit_of_work, FIVE) is None
    await pass_seconds(unit_of_work, 1_000_000)
    assert [await taken(unit_of_work, FIVE) for _ in range(6)].count(None) == 5


async def test_of_several_all_are_taken_or_none(unit_of_work: UnitOfWork) -> None:
    assert await taken(unit_of_work, ONE, FIVE) is None
    for _ in range(3):
        assert await taken(unit_of_work, FIVE, ONE) in {29, 30}
    assert [await taken(unit_of_work, FIVE) for _ in range(5)].count(None) == 4


async def test_who_is_refused_leaves_no_rows(unit_of_work: UnitOfWork) -> None:
    await taken(unit_of_work, ONE)
    for number in range(3):
        assert await taken(unit_of_work, ONE, Allowance(f"new-{number}", 5, 60))
    assert await buckets(unit_of_work) == {"one"}


async def test_many_at_once_take_exactly_what_there_is(unit_of_work: UnitOfWork) -> None:
    both = [FIVE, Allowance("other", 50, 3600)]
    results = await asyncio.gather(
        *(taken(unit_of_work, *(both if n % 2 else both[::-1])) for n in range(40))
    )
    assert results.count(None) == 5


async def test_looking_takes_nothing(unit_of_work: UnitOfWork) -> None:
    async def look() -> bool:
        async with unit_of_work() as session:
            try:
                await allowances.look(session, [ONE])
            except TooManyRequests:
                return False
            return True

    assert await look()
    assert await look()
    assert await buckets(unit_of_work) == set()
    await taken(unit_of_work, ONE)
    assert not await look()
    await pass_seconds(unit_of_work, 30)
    assert await look()


async def test_buckets_of_which_nothing_is_used_are_forgotten(unit_of_work: UnitOfWork) -> None:
    await taken(unit_of_work, ONE, FIVE)
    await pass_seconds(unit_of_work, 31)
    async with unit_of_work() as session:
        await allowances.forget_unused(session)
    assert await buckets(unit_of_work) == {"five"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (60, "60 seconds"), (61, "2 minutes"), (3600, "60 minutes"),
     (3601, "2 hours")],
)  # fmt: skip
def test_wait_is_said_in_words_and_never_too_short(seconds: int, words: str) -> None:
    assert in_words(seconds) == words
    refusal: Any = TooManyRequests(seconds - 0.5)
    assert (refusal.headers, refusal.status) == ({"retry-after": str(seconds)}, 429)
    assert words in refusal.detail


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        (None, None),
        ("unknown", UNKNOWN),
        ("203.0.113.7:5000", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_network_is_what_one_client_holds(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
