"""`python -m app usage verify` at the terminal: its progress, and what it says at the end."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO

from app.core.database import dispose
from app.usage.differences import Difference, Figures
from app.usage.verify import Range, Report, verify

QUIET_SECONDS = 2.0
"""Work that takes longer than this says how far it is."""


class Progress:
    """How far it is, at which rate, and when it will be done; only on a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = self._said = time.monotonic()
        self._is_shown = False

    def __call__(self, done: int, total: int) -> None:
        """Say it, at most once a second."""
        now = time.monotonic()
        seconds = now - self._began
        if not self._out.isatty() or seconds < QUIET_SECONDS or now - self._said < 1:
            return
        self._said, self._is_shown = now, True
        rate = done / seconds
        left = timedelta(seconds=(total - done) / rate) if rate else timedelta(0)
        self._out.write(f"\r{progress_line(done, total, rate, datetime.now(UTC) + left)}\x1b[K")
        self._out.flush()

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._is_shown:
            self._out.write("\r\x1b[K")
            self._out.flush()


def progress_line(done: int, total: int, rate: float, ends_at: datetime) -> str:
    """Calls compared, of how many, calls a second, and when the last will be."""
    share = 100 * done // total if total else 100
    return (
        f"{done:,} of {total:,} calls ({share} %), {rate:,.0f} a second, "
        f"done at {ends_at:%H:%M:%S} UTC"
    )


async def run(wanted: Range, *, repair: bool) -> tuple[Sequence[str], int]:
    """Verify; the lines to print and the exit code, 1 if anything differs and stays so."""
    progress = Progress(sys.stderr)
    try:
        report = await verify(wanted, repair=repair, on_progress=progress)
    finally:
        progress.end()
        await dispose()
    return lines_of(report, repair=repair), int(report.total > 0 and not repair)


def lines_of(report: Report, *, repair: bool) -> Sequence[str]:
    """What was found, in words."""
    lines = [_line(difference) for difference in report.first]
    more = report.total - len(report.first)
    if more:
        lines.append(f"and {more:,} more")
    compared = (
        f"Compared the counters of {report.calls:,} calls; the log begins at "
        f"{report.begins:%Y-%m-%d %H:%M} UTC."
    )
    return [*lines, f"{compared} {_verdict(report.total, repair=repair)}"]


def _verdict(total: int, *, repair: bool) -> str:
    if not total:
        return "They equal the log."
    counters = "1 counter differs" if total == 1 else f"{total:,} counters differ"
    if repair:
        return f"{counters}: written anew from the log."
    return f"{counters}. To write them anew from the log: python -m app usage verify --repair"


def _line(difference: Difference) -> str:
    counted, right = difference.counted, difference.right
    if counted == right:
        return f"{difference.counter}: the latencies lie in other buckets than in the log"
    return f"{difference.counter}: counted {_figures(counted)}; by the log {_figures(right)}"


def _figures(figures: Figures) -> str:
    words = f"{figures.calls:,} calls, {figures.units:,} units"
    return words if figures.latency_ms is None else f"{words}, {figures.latency_ms:,} ms"
