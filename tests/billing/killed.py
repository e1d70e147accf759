"""An act in a process of its own that is killed when Stripe has answered and we have not yet
committed: `python -m tests.billing.killed DATABASE STRIPE KEY USER STEP ACT...`."""

import asyncio
import os
import signal
import sys
from typing import Any

from app.billing import changes, lease
from app.billing.checkout import start_checkout
from app.core import database
from app.integrations.stripe import Gateway, connect


class Deadly:
    """A gateway after whose answer to this step the process is no more."""

    def __init__(self, gateway: Gateway, step: str):
        self._gateway = gateway
        self._step = step

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._gateway, name)
        if name != self._step:
            return real

        async def ask(*args: Any, **kwargs: Any) -> Any:
            await real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        return ask


async def act(name: str, user_id: str, *args: str) -> None:
    """Do what the test names."""
    if name == "buy":
        await start_checkout(user_id, "standard", "month")
    elif name == "change":
        await changes.change_plan(user_id, "enterprise", "month", proration_at=int(args[0]))
    elif name == "cancel":
        await changes.cancel(user_id)


def main() -> None:
    """Point at the test's database and sandbox, and act."""
    url, stripe_url, key, user_id, step, name, *args = sys.argv[1:]
    database.point_at(url)
    lease.LEASE_SECONDS = 1
    connect.make_gateway = lambda settings: Deadly(Gateway(key, base=stripe_url), step)  # type: ignore[assignment, return-value]  # it stands in for one
    asyncio.run(act(name, user_id, *args))


if __name__ == "__main__":
    main()
