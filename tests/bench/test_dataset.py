"""What the benchmarks measure on is what they say."""

from uuid import UUID

import psycopg
import pytest

from bench.dataset import add_keys, fill_log
from bench.report import Ratio
from tests.faults.counters import differences

ROWS = 2_000


def test_filled_log_is_a_log_of_thirty_days_and_counted_by_the_hour(database_url: str) -> None:
    add_keys(database_url, 7)
    fill_log(database_url, ROWS)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            'SELECT id, extract(epoch FROM "createdAt") * 1000 FROM "ApiCall" ORDER BY id'
        ).fetchall()
        busiest = connection.execute(
            'SELECT count(*) FROM "ApiCall" GROUP BY "apiKeyId" ORDER BY 1 DESC'
        ).fetchone()
        indexes = connection.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'ApiCall'"
        ).fetchone()
        counted = connection.execute('SELECT sum(calls) FROM latchkey."UsageHour"').fetchone()
    assert len(rows) == ROWS
    ids = [UUID(call_id) for call_id, _ in rows]
    assert {call_id.version for call_id in ids} == {7}
    assert [call_id.int >> 80 for call_id in ids] == [int(ms) for _, ms in rows]
    assert rows[-1][1] - rows[0][1] == pytest.approx(30 * 86_400_000, rel=0.01)
    assert busiest is not None
    assert busiest[0] >= ROWS // 20
    assert indexes == (3,)
    assert counted == (ROWS,)
    assert [one for one in differences(database_url) if one[1] in {"hour", "latency"}] == []


@pytest.mark.parametrize(
    ("value", "at_least", "is_kept"),
    [(1.3, True, True), (1.29, True, False), (1.3, False, True), (1.31, False, False)],
)
def test_bound_is_kept_or_missed(value: float, at_least: bool, is_kept: bool) -> None:
    ratio = Ratio("a ÷ b", value, 1.3, at_least=at_least)
    assert ratio.is_kept is is_kept
    assert ("MISS" in ratio.line()) is not is_kept
