"""The database's time on this path."""

import time

import pytest

from app.metering.clock import DatabaseClock


def test_clock_follows_the_database_and_not_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DatabaseClock()
    assert abs(clock.now_ms() - time.time() * 1000) < 1000
    now = time.monotonic()
    clock.observe(1_000_000, now, now)
    monkeypatch.setattr(time, "time", lambda: 4_000_000.0)
    assert 1_000_000 <= clock.now_ms() < 1_001_000


def test_moment_is_taken_for_the_middle_of_the_round_trip() -> None:
    clock = DatabaseClock()
    now = time.monotonic()
    clock.observe(1_000_000, now - 2, now)
    assert 1_001_000 <= clock.now_ms() < 1_001_500


def test_slow_round_trip_does_not_replace_a_quick_one_that_is_young() -> None:
    clock = DatabaseClock()
    now = time.monotonic()
    clock.observe(1_000_000, now, now)
    clock.observe(9_000_000, now, now + 2)
    assert clock.now_ms() < 1_001_000
    clock.observe(9_000_000, now + 6, now + 8)
    assert clock.now_ms() > 8_000_000
