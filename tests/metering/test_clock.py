"""The database's time on this path."""

import time

from app.metering.clock import DatabaseClock


def test_clock_follows_the_database() -> None:
    clock = DatabaseClock()
    assert abs(clock.now_ms() - time.time() * 1000) < 1000
    clock.observe(1_000_000)
    assert 1_000_000 <= clock.now_ms() < 1_001_000
