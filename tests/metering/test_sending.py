"""A batch as the database reads it."""

import psycopg
import pytest

from app.metering.sending import _bodies, _numbers

TEXTS = ['"a \\"quoted\\" \\\\ back"', '{"a": [1, null]}', '"\\u0001 \\n é"', "null", "7", '","']


@pytest.mark.parametrize("places", [[0], [3], [0, 1, 2, 3, 4], [1, None, 2], [None, 0], [None]])
def test_bodies_arrive_as_they_were(database_url: str, places: list[int | None]) -> None:
    texts = [None if place is None else TEXTS[place] for place in places]
    literal = _bodies(texts)
    with psycopg.connect(database_url) as connection:
        read = connection.execute("SELECT %s::text[]", [(literal or b"{NULL}").decode()]).fetchone()
    assert read == (texts,)


def test_numbers_arrive_as_they_were(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for numbers in ([7], [0, -1, 2**40]):
            literal = _numbers(numbers).decode()
            assert connection.execute("SELECT %s::bigint[]", [literal]).fetchone() == (numbers,)
