"""Whatever is done to trials, in whatever order, keys work as a small model says."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.afterwards import Report
from tests.faults.counters import differences
from tests.faults.key_world import World
from tests.faults.trial_machine import TrialMachine
from tests.metering.conftest import plans

SEEN = {
    "start ok",
    "start trial_taken",
    "make_key ok",
    "revoke_key ok",
    "extend ok",
    "cancel ok",
    "convert ok",
    "convert plan_needed",
    "convert trial_move_refused",
    "wish ok",
    "wish fulfilled",
    "200 → 200 under calls",
}
IS_FULL = "FAULT_COUNT" in os.environ
PROFILE = settings(
    max_examples=80 if IS_FULL else 25,
    stateful_step_count=50 if IS_FULL else 25,
    # the same examples in each ordinary run: it fails for a change of the code, and for no other
    derandomize=not IS_FULL,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_every_trial_lives_as_the_model_says(database_url: str, report: Report) -> None:
    with World(database_url, plans()) as world:
        run_state_machine_as_test(lambda: TrialMachine(world), settings=PROFILE)
    wrong = differences(database_url)
    seen = ", ".join(f"{count} {outcome}" for outcome, count in sorted(world.seen.items()))
    report(f"trials against their model: {seen}; {len(wrong)} counters off")
    assert wrong == []
    assert set(world.seen) >= SEEN
