"""What holds after every fault: nothing lost, nothing twice, nobody hung, service back."""

import os
from collections import Counter
from collections.abc import Callable, Sequence

import psycopg

from tests.faults.callers import Answered, Callers
from tests.faults.counters import differences

TIMES = int(os.environ.get("FAULT_COUNT", "3"))
"""How often a fault is repeated; `make faults` sets the full count."""

BACK_SECONDS = 5
LONGEST_SECONDS = 11
"""A look-up and a row may take 5 seconds each; the rest is for the two cores."""

Report = Callable[[str], None]
_Recorded = tuple[str, str, int]


def check_afterwards(
    what: str,
    callers: Callers,
    url: str,
    report: Report,
    *,
    back: Sequence[float] = (),
    longest_seconds: float = LONGEST_SECONDS,
) -> None:
    """Say the figures, then hold them against the promises.

    Call it when the nodes have stopped. `back`: for each fault that took the service away, the
    seconds from its end to the first good answer. `longest_seconds`: a call's at most.
    """
    rows = _recorded(url)
    wrong = differences(url)
    report(f"{what}: {_figures(callers, rows)}{_said_of(back)}; {len(wrong)} counters off")
    assert _not_there_once(callers.acknowledged, rows) == []
    assert len(_unasked(callers, rows)) <= len(callers.broken)
    assert wrong == []
    assert callers.longest_seconds < longest_seconds
    assert max(back, default=0.0) < BACK_SECONDS


def _recorded(url: str) -> list[_Recorded]:
    """(id, key, status) of every row, live and trial."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            'SELECT id, "apiKeyId", "statusCode" FROM "ApiCall" UNION ALL '
            'SELECT id, "apiKeyId", "statusCode" FROM latchkey."TrialApiCall"'
        ).fetchall()


def _not_there_once(acknowledged: list[Answered], rows: list[_Recorded]) -> list[Answered]:
    """The answers without exactly one row of their id, key and status."""
    ids = Counter(row[0] for row in rows)
    there = set(rows)
    return [
        answer
        for answer in acknowledged
        if ids[answer.request_id] != 1
        or (answer.request_id, answer.key_id, answer.status) not in there
    ]


def _unasked(callers: Callers, rows: list[_Recorded]) -> set[str]:
    """The rows of calls that nobody had an answer to."""
    return {row[0] for row in rows} - {answer.request_id for answer in callers.answered}


def _figures(callers: Callers, rows: list[_Recorded]) -> str:
    acknowledged = {answer.request_id for answer in callers.acknowledged}
    recorded = {row[0] for row in rows}
    return (
        f"{len(acknowledged)} calls acknowledged, {len(acknowledged & recorded)} of them recorded; "
        f"{len(recorded - acknowledged)} recorded without being acknowledged; "
        f"{len(callers.broken)} broken off; answers {callers.statuses}; "
        f"longest {callers.longest_seconds:.1f} s"
    )


def _said_of(back: Sequence[float]) -> str:
    return f"; {len(back)} times back after {max(back):.1f} s at most" if back else ""
