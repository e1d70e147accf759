"""How trials, their time and their conversion read."""

from datetime import UTC, datetime, timedelta

import pytest

from app.flows.trial_conversion import Converted
from app.trials.repository import TrialKeySummary, TrialSummary
from app.trials.states import Life, Status
from app.ui.trial_words import converted_words, key_rows, moment, time_left, trial_card

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def make_life(status: Status = Status.ACTIVE, left: timedelta = 9 * DAY) -> Life:
    ended_at = None if status is Status.ACTIVE else NOW - DAY
    goes_at = None if ended_at is None or status is Status.CONVERTED else ended_at + 30 * DAY
    return Life(status, NOW + left, ended_at, goes_at, is_data_due=False)


def make_summary(life: Life, **overrides: object) -> TrialSummary:
    values = {
        "id": "w",
        "slug": "acme",
        "name": "Acme",
        "tier_id": "standard",
        "life": life,
        "created_at": NOW - 5 * DAY,
        "units_used": 1_234,
        "units_limit": 5_000,
        "key_count": 2,
        "extended_days": 0,
    }
    return TrialSummary(**{**values, **overrides})  # type: ignore[arg-type]  # as the fields are


def make_key(status: str) -> TrialKeySummary:
    return TrialKeySummary(
        "k", "laptop", "lk_trial_abcd", status, NOW, None, None, None, None, None, NOW
    )  # fmt: skip


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (14 * DAY - timedelta(seconds=1), "14 days left"),
        (3 * DAY, "3 days left"),
        (3 * DAY - MINUTE, "2 days 23 hours left"),
        (2 * DAY, "2 days left"),
        (DAY + HOUR, "1 day 1 hour left"),
        (DAY - MINUTE, "23 hours 59 minutes left"),
        (HOUR, "1 hour left"),
        (MINUTE, "1 minute left"),
        (MINUTE - timedelta(milliseconds=1), "under a minute left"),
        (timedelta(), "under a minute left"),
    ],
)
def test_time_left_is_said_finer_the_less_there_is(left: timedelta, words: str) -> None:
    assert time_left(left) == words


@pytest.mark.parametrize(
    ("left", "tone"),
    [
        (3 * DAY, "neutral"),
        (3 * DAY - MINUTE, "warn"),
        (DAY, "warn"),
        (DAY - MINUTE, "bad"),
    ],
)
def test_badge_is_amber_under_three_days_and_red_under_one(left: timedelta, tone: str) -> None:
    assert trial_card(make_summary(make_life(left=left)), NOW).tone == tone


def test_card_of_a_running_trial() -> None:
    card = trial_card(make_summary(make_life(), extended_days=1), NOW)
    assert (card.tier, card.status, card.badge) == ("Standard", "active", "9 days left")
    assert (card.units, card.used_percent) == ("1,234 of 5,000", 25)
    assert (card.its_keys, card.extended) == ("its 2 keys", "Extended by 1 day.")
    assert card.end_moment == "10 December 2026, 12:00 UTC"
    assert (card.data_day, card.can_convert, card.can_cancel, card.can_make_key) == (
        "",
        True,
        True,
        True,
    )


@pytest.mark.parametrize(("used", "is_used_up"), [(4_999, False), (5_000, True), (5_001, True)])
def test_running_trial_without_units_left_says_so(used: int, is_used_up: bool) -> None:
    assert trial_card(make_summary(make_life(), units_used=used), NOW).is_used_up is is_used_up
    over = make_summary(make_life(Status.EXPIRED), units_used=used)
    assert not trial_card(over, NOW).is_used_up


@pytest.mark.parametrize(
    ("status", "badge", "can_convert", "data_day"),
    [
        (Status.EXPIRED, "Ended", True, "30 December 2026"),
        (Status.CONVERTED, "Converted", False, ""),
        (Status.CANCELLED, "Cancelled", False, "30 December 2026"),
    ],
)
def test_card_of_a_trial_that_is_over_offers_one_act_at_most(
    status: Status, badge: str, can_convert: bool, data_day: str
) -> None:
    card = trial_card(make_summary(make_life(status)), NOW)
    assert (card.badge, card.end_day, card.data_day) == (badge, "30 November 2026", data_day)
    assert (card.can_convert, card.can_cancel, card.can_make_key) == (can_convert, False, False)


def test_plan_that_is_no_longer_in_the_file_is_called_by_its_id() -> None:
    assert trial_card(make_summary(make_life(), tier_id="gold"), NOW).tier == "gold"


@pytest.mark.parametrize(
    ("status", "of_the_trial", "shown", "can_revoke"),
    [
        ("active", Status.ACTIVE, "active", True),
        ("expired", Status.ACTIVE, "expired", True),
        ("active", Status.EXPIRED, "expired", False),
        ("revoked", Status.ACTIVE, "revoked", False),
        ("converted", Status.CONVERTED, "converted", False),
    ],
)
def test_key_of_a_trial_that_is_over_is_not_shown_as_active(
    status: str, of_the_trial: Status, shown: str, can_revoke: bool
) -> None:
    [row] = key_rows([make_key(status)], make_life(of_the_trial))
    assert (row.status, row.can_revoke) == (shown, can_revoke)
    assert row.is_leaked is (shown == "active")


def test_conversion_says_how_many_keys_are_live_and_on_which_plan() -> None:
    one, two, none = (Converted("a", "Acme", keys, "standard") for keys in (1, 2, 0))
    assert converted_words([]) == ""
    assert converted_words([two]) == (
        "Your trial Acme is converted: its 2 keys are live now, on Standard."
    )
    assert converted_words([one, none]) == (
        "Your trial Acme is converted: its key is live now, on Standard. "
        "Your trial Acme is converted. It had no keys to take along."
    )


def test_moments_are_to_the_minute_in_utc() -> None:
    assert moment(NOW) == "1 December 2026, 12:00 UTC"
