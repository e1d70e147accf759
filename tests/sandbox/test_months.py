"""Periods and shares of them, against figures from the calendar."""

from datetime import UTC, datetime

import pytest

from app.sandbox.months import add_months, period_end, share


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-11-25T10:00:00", 1, "2026-12-25T10:00:00"),
        ("2026-12-31T23:59:59", 2, "2027-02-28T23:59:59"),
        ("2028-01-31T00:00:00", 1, "2028-02-29T00:00:00"),
        ("2028-02-29T12:00:00", 12, "2029-02-28T12:00:00"),
    ],
)
def test_months_end_where_the_calendar_says(start: str, months: int, end: str) -> None:
    assert add_months(unix(start), months) == unix(end)


@pytest.mark.parametrize(
    ("anchor", "start", "interval", "end"),
    [
        ("2026-11-25T10:00:00", "2026-11-25T10:00:00", "month", "2026-12-25T10:00:00"),
        # the 31st is not forgotten in February
        ("2027-01-31T00:00:00", "2027-02-28T00:00:00", "month", "2027-03-31T00:00:00"),
        ("2026-12-09T10:00:00", "2026-11-25T10:00:00", "month", "2026-12-09T10:00:00"),
        ("2026-11-25T10:00:00", "2026-11-25T10:00:00", "year", "2027-11-25T10:00:00"),
        ("2026-11-25T10:00:00", "2028-11-25T10:00:00", "year", "2029-11-25T10:00:00"),
    ],
)
def test_period_ends_whole_intervals_from_the_anchor(
    anchor: str, start: str, interval: str, end: str
) -> None:
    assert period_end(unix(anchor), unix(start), interval) == unix(end)


@pytest.mark.parametrize(
    ("amount", "moment", "expected"),
    [
        (4_900, 0, 4_900),
        (4_900, 15, 2_450),
        (4_900, 30, 0),
        (4_900, 40, 0),
        (1, 15, 1),
        (100, 20, 33),
    ],
)
def test_share_is_of_what_is_left_and_rounded_half_up(
    amount: int, moment: int, expected: int
) -> None:
    assert share(amount, moment, 0, 30) == expected
