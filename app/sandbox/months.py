"""Billing periods: where months and years end, counted from an anchor as Stripe does."""

import calendar
from datetime import UTC, datetime
from typing import Literal

Interval = Literal["month", "year"]
MONTHS: dict[Interval, int] = {"month": 1, "year": 12}


def add_months(anchor: int, months: int) -> int:
    """Unix time, `months` on; the 31st becomes the month's last day where there is none."""
    start = datetime.fromtimestamp(anchor, UTC)
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def period_end(anchor: int, start: int, interval: Interval) -> int:
    """The first boundary after `start`; boundaries lie whole intervals away from the anchor."""
    step = MONTHS[interval]
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (anchor, start))
    months = (last.year - first.year) * 12 + last.month - first.month
    count = max(months // step - 1, 0)
    while add_months(anchor, count * step) <= start:
        count += 1
    return add_months(anchor, count * step)


def share(amount: int, moment: int, start: int, end: int) -> int:
    """The part of `amount` for the rest of a period, to the second, halves rounded up."""
    rest, whole = max(end - moment, 0), end - start
    return (2 * amount * rest + whole) // (2 * whole)
