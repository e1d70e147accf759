"""Batches: which rows go together, and which kind is next."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from app.metering import group_commit
from app.metering.group_commit import GroupCommit, Kind
from app.metering.wire import DatabaseUnavailable, StatementRefused, array
from tests.metering.database_proxy import DatabaseProxy

INSERT = b"""INSERT INTO number SELECT n FROM unnest($1::integer[]) AS new (n)
    WHERE NOT $2::boolean OR NOT EXISTS (SELECT FROM number AS known WHERE known.n = new.n)"""


def numbers(*, are_weighed: bool) -> tuple[Kind[int], list[list[int]]]:
    """A kind of rows that are numbers and weigh as much, and the batches of it that were sent."""
    batches: list[list[int]] = []

    def params(rows: Sequence[int]) -> list[bytes | None]:
        batches.append(list(rows))
        return [array(map(str, rows))]

    statement = b"SELECT count(*) FROM unnest($1::integer[])"
    return Kind(statement, params, weight=(lambda row: row) if are_weighed else None), batches


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([6, 4, 1], [[6, 4], [1]]),
        ([11, 1], [[11], [1]]),  # one that is larger than a batch goes alone
        ([1, 11], [[1], [11]]),
        ([0] * 5, [[0] * 5]),
    ],
)
async def test_rows_that_are_weighed_go_in_batches_of_so_much(
    database_url: str, monkeypatch: pytest.MonkeyPatch, sizes: list[int], batches: list[list[int]]
) -> None:
    monkeypatch.setattr(group_commit, "MOST_BYTES", 10)
    kind, sent = numbers(are_weighed=True)
    commit = GroupCommit([kind])
    commit.open(database_url)
    await asyncio.gather(*[commit.write(kind, size) for size in sizes])
    await commit.close()
    assert sent == batches


async def test_kind_without_an_end_keeps_no_other_waiting(database_url: str) -> None:
    other, sent = numbers(are_weighed=False)
    is_enough = asyncio.Event()

    def one_more(rows: Sequence[int]) -> list[bytes | None]:
        if not is_enough.is_set():
            commit.write(endless, 1)  # so that one is waiting whenever a batch is written
        return [array(map(str, rows))]

    endless: Kind[int] = Kind(b"SELECT $1::integer[]", one_more)
    commit = GroupCommit([endless, other])
    commit.open(database_url)
    commit.write(endless, 1)
    try:
        async with asyncio.timeout(10):
            for number in range(5):
                await commit.write(other, number)
    finally:
        is_enough.set()
        await commit.close()
    assert sent == [[0], [1], [2], [3], [4]]


async def test_fault_of_ours_fails_its_batch_and_no_later_one(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def params(rows: Sequence[int]) -> list[bytes | None]:
        return [b"%d" % (1 // row) for row in rows]

    kind: Kind[int] = Kind(b"SELECT $1::integer", params)
    commit = GroupCommit([kind])
    commit.open(database_url)
    with pytest.raises(DatabaseUnavailable):
        await commit.write(kind, 0)
    await commit.write(kind, 1)
    await commit.close()
    assert "ZeroDivisionError" in caplog.text


async def test_fault_of_one_who_is_told_keeps_the_news_from_nobody(database_url: str) -> None:
    kind, _ = numbers(are_weighed=False)
    commit = GroupCommit([kind])
    commit.open(database_url)

    def raise_it(error: object) -> None:
        raise LookupError

    commit.write_then(kind, 1, raise_it)
    await commit.write(kind, 2)
    await commit.close()


async def test_rows_are_sent_again_as_such_when_an_answer_was_lost_or_a_row_is_there(
    database_url: str,
) -> None:
    sent: list[tuple[list[int], bool]] = []

    def params(rows: Sequence[int]) -> list[bytes | None]:
        sent.append((list(rows), kind.is_again))
        return [array(map(str, rows)), b"t" if kind.is_again else b"f"]

    kind: Kind[int] = Kind(INSERT, params)
    async with DatabaseProxy(database_url) as proxy:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute("CREATE TABLE number (n integer PRIMARY KEY CHECK (n < 9))")
        commit = GroupCommit([kind])
        commit.open(proxy.url)
        await commit.write(kind, 1)
        await asyncio.gather(commit.write(kind, 1), commit.write(kind, 2))
        proxy.lose_answers_to("INTO number", times=1)
        await commit.write(kind, 3)
        await commit.write(kind, 4)
        results = await asyncio.gather(
            commit.write(kind, 5), commit.write(kind, 9), return_exceptions=True
        )
        await commit.close()
    assert sent == [
        ([1], False),
        ([1, 2], False),
        ([1, 2], True),
        ([3], False),
        ([3], True),
        ([4], False),
        ([5, 9], False),
        ([5], False),  # refused for what it is: nothing of it took hold
        ([9], False),
    ]
    assert results[0] is None
    assert isinstance(results[1], StatementRefused)
