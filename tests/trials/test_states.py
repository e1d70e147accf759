"""The life of a trial: every state and every move."""

from datetime import timedelta

import pytest

from app.core.clock import utc_now
from app.models import TrialWorkspace
from app.trials.states import Life, Move, Status, TrialMoveRefused, read_life

NOW = utc_now()
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)

ALLOWED = {
    ("active", "expire"): "expired",
    ("active", "convert"): "converted",
    ("active", "cancel"): "cancelled",
    ("active", "extend"): "active",
    ("active", "make_key"): "active",
    ("active", "revoke_key"): "active",
    ("expired", "convert"): "converted",
    ("expired", "extend"): "active",
}


def life(status: str = "active", *, expires_in: timedelta = DAY, **values: object) -> Life:
    workspace = TrialWorkspace(
        name="x", slug="x", owner_id="x", status=status, expires_at=NOW + expires_in, **values
    )
    return read_life(workspace, now=NOW, data_days=30)


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("status", Status)
def test_each_state_allows_just_its_moves(status: Status, move: Move) -> None:
    read = life(status, expires_in=-DAY if status is Status.EXPIRED else DAY)
    to = ALLOWED.get((status, move))
    assert read.allows(move) == (to is not None)
    if to is not None:
        assert read.after(move) == to
        return
    with pytest.raises(TrialMoveRefused) as refusal:
        read.after(move)
    assert refusal.value.detail.endswith(".")


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("status", ["active", "expired", "cancelled"])
def test_nothing_is_allowed_once_the_data_may_go(status: str, move: Move) -> None:
    read = life(status, expires_in=-30 * DAY)
    assert read.is_data_due
    assert not read.allows(move)
    with pytest.raises(TrialMoveRefused, match="the time for keeping its keys and data has passed"):
        read.after(move)


@pytest.mark.parametrize(
    ("left", "status"), [(MS, "active"), (timedelta(0), "expired"), (-MS, "expired")]
)
def test_trial_is_over_from_its_end_on_whatever_was_written(left: timedelta, status: str) -> None:
    read = life("active", expires_in=left)
    assert read.status == status
    assert read.ended_at == (None if status == "active" else NOW + left)


def test_data_goes_so_many_days_after_the_end() -> None:
    assert life().data_goes_at is None
    read = life("expired", expires_in=-30 * DAY + MS)
    assert (read.data_goes_at, read.is_data_due) == (NOW + MS, False)
    cancelled = life("cancelled", expires_in=9 * DAY, cancelled_at=NOW - DAY)
    assert (cancelled.ended_at, cancelled.data_goes_at) == (NOW - DAY, NOW + 29 * DAY)


def test_calls_of_a_converted_trial_are_the_accounts() -> None:
    read = life("converted", expires_in=-99 * DAY, converted_at=NOW - 98 * DAY)
    assert (read.ended_at, read.data_goes_at, read.is_data_due) == (NOW - 98 * DAY, None, False)


@pytest.mark.parametrize("status", ["", "paused", "ACTIVE"])
def test_another_programs_status_is_no_permission(status: str) -> None:
    assert not any(life(status).allows(move) for move in Move)
