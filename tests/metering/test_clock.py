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


def test_clock_stands_still_until_a_better_estimate_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = DatabaseClock()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock.observe(1_000_000, now - 0.2, now)  # said 0.1 s ago, or so it seems: 1,000,100 by now
    said = clock.at_ms(now)
    clock.observe(1_000_020, now - 0.001, now)
    later = [clock.at_ms(now + step / 100) for step in range(20)]
    assert later == sorted(later)
    assert later[:7] == 7 * [said]
    assert later[9] > said
    assert 1_000_200 <= later[-1] <= 1_000_220


def test_database_with_another_clock_is_followed_back() -> None:
    clock = DatabaseClock()
    now = time.monotonic()
    clock.observe(9_000_000, now, now)
    clock.observe(1_000_000, now, now)
    assert 1_000_000 <= clock.now_ms() < 1_001_000


def test_first_hearing_is_followed_back_by_however_little() -> None:
    clock = DatabaseClock()
    now = time.monotonic()
    clock.observe(clock.at_ms(now) - 500, now, now)
    assert clock.now_ms() < int(time.time() * 1000) - 300
