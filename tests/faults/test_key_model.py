"""Whatever is done to keys, in whatever order, each call gets what a small model says."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.afterwards import Report
from tests.faults.counters import differences
from tests.faults.key_machine import KeyMachine
from tests.faults.key_model import STATUSES
from tests.faults.key_world import World

IS_FULL = "FAULT_COUNT" in os.environ
PROFILE = settings(
    max_examples=400 if IS_FULL else 70,
    stateful_step_count=50 if IS_FULL else 30,
    # the same examples in each ordinary run: it fails for a change of the code, and for no other
    derandomize=not IS_FULL,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_every_call_gets_what_the_model_says(database_url: str, report: Report) -> None:
    with World(database_url) as world:
        run_state_machine_as_test(lambda: KeyMachine(world), settings=PROFILE)
    wrong = differences(database_url)
    seen = ", ".join(f"{count} {outcome}" for outcome, count in sorted(world.seen.items()))
    report(f"keys against their model: {seen}; {len(wrong)} counters off")
    assert wrong == []
    assert set(world.seen) == {*STATUSES, "200", "500", "conflicting_keys", "grace passed"}
