"""`shifted.py SECONDS COMMAND …` is `python -m app COMMAND …` with its clock off.

The wall clock of this one process says so many seconds more, wherever our code asks for it; the
monotonic clock is as it was, as on a machine whose clock somebody has set wrong. Run as a file:
the package `tests` drops the settings.
"""

import datetime
import sys
import time
from typing import Any
from uuid import UUID

from uuid_utils import uuid7

import app.core.clock
import app.core.ids


def shift(seconds: int) -> None:
    """Set the wall clock of this process forward, or back if negative."""
    true_time, true_time_ns = time.time, time.time_ns

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return super().now(tz) + datetime.timedelta(seconds=seconds)

    def shifted_uuid7(*, nanoseconds: int | None = None) -> UUID:
        return UUID(str(uuid7(nanoseconds=nanoseconds or time.time_ns())))

    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + seconds * 1_000_000_000
    vars(app.core.clock)["datetime"] = Shifted
    vars(app.core.ids)["uuid7"] = shifted_uuid7


if __name__ == "__main__":
    shift(int(sys.argv.pop(1)))
    from app.cli import run

    run()
