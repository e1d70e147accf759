"""Statements that are prepared by name, where nothing between us and the server forgets them."""

from collections.abc import AsyncIterator

import pytest

from app.metering.wire import Line, StatementRefused

NAMES = b"SELECT array_agg(name) FROM pg_prepared_statements"
DOUBLE = b"SELECT 2 * $1::integer"
NAME = b"double"


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    found = Line()
    found.open(database_url)
    yield found
    found.close()


async def double(line: Line, number: int) -> bytes | None:
    result = await line.ask(DOUBLE, [b"%d" % number], seconds=5, name=NAME)
    return result.get_value(0, 0)


async def prepared(line: Line) -> bytes | None:
    return (await line.ask(NAMES, [], seconds=5)).get_value(0, 0)


async def test_named_statement_is_prepared_once(line: Line) -> None:
    assert [await double(line, number) for number in (1, 2)] == [b"2", b"4"]
    assert await prepared(line) == b"{double}"


async def test_statement_that_is_gone_is_sent_whole_from_then_on(line: Line) -> None:
    assert await double(line, 1) == b"2"
    await line.ask(b"DEALLOCATE ALL", [], seconds=5)
    assert [await double(line, number) for number in (2, 3)] == [b"4", b"6"]
    assert await prepared(line) is None


async def test_name_that_is_taken_is_left_alone(line: Line) -> None:
    await line.ask(b"PREPARE double AS SELECT 7", [], seconds=5)
    assert [await double(line, number) for number in (2, 3)] == [b"4", b"6"]
    assert await prepared(line) == b"{double}"


async def test_statement_that_is_refused_stays_refused_and_prepared(line: Line) -> None:
    with pytest.raises(StatementRefused) as refusal:
        await line.ask(DOUBLE, [b"no number"], seconds=5, name=NAME)
    assert refusal.value.sqlstate == "22P02"
    assert await double(line, 1) == b"2"
    assert await prepared(line) == b"{double}"


async def test_new_connection_is_prepared_anew(line: Line) -> None:
    assert await double(line, 1) == b"2"
    line._hang_up("as after a restart")
    assert await double(line, 2) == b"4"
    assert await prepared(line) == b"{double}"
