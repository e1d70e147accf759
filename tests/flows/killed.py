"""Work on an erasure in processes that are killed right after one of its steps:
`python -m tests.flows.killed DATABASE FOLDER ERASURE CUSTOMER`.

A line with a step's name on standard input is one such process; the answer is how it ended. Each
is a fork of this one, which has imported all that it takes and opened nothing yet.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from app.accounts import erasures
from app.billing import lease, leaving
from app.core import database
from app.flows import erasure as flow
from app.integrations.mail import FileMailer
from app.jobs import erasure
from app.usage import erasing
from tests.api.browser import make_settings
from tests.flows.erasing import Stripe

STEPS: dict[str, tuple[Any, str]] = {
    "claimed": (erasures, "claim"),
    "mail handed on": (FileMailer, "send"),
    "customer deleted": (leaving, "delete_left_customer"),
    "batch deleted": (erasing, "delete_batch"),
    "calls deleted": (erasing, "delete_calls"),
    "counters deleted": (erasing, "delete_counters"),
    "links forgotten": (flow, "_forget_links"),
    "jobs forgotten, not yet committed": (flow.outbox, "forget"),
    "account deleted": (flow, "finish"),
}


def make_deadly(place: Any, name: str) -> None:
    """After this function has run, the process is no more."""
    real = getattr(place, name)

    async def run(*args: Any, **kwargs: Any) -> None:
        await real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, run)


def die_after(step: str, erasure_id: str) -> int:
    """How a process ended that was to work on the erasure: -9 when it was killed."""
    child = os.fork()
    if child == 0:
        make_deadly(*STEPS[step])
        asyncio.run(erasure.erase(erasure_id))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Point at the test's database and folder, and do what it asks for."""
    url, folder, erasure_id, customer_id = sys.argv[1:]
    database.point_at(url)
    settings = make_settings(Path(folder))
    stripe = Stripe(customer_id)
    lease.LEASE_SECONDS = 0
    erasing.delete_calls.__kwdefaults__["batch"] = 2
    erasure.get_settings = lambda: settings  # type: ignore[attr-defined]  # as it is imported there
    leaving.get_gateway = lambda: stripe  # type: ignore[assignment, return-value, attr-defined]  # it stands in for one
    for line in sys.stdin:
        print(die_after(line.strip(), erasure_id), flush=True)  # noqa: T201  # the test reads it


if __name__ == "__main__":
    main()
