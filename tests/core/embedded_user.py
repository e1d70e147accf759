"""A program that uses the embedded server, for tests to start, watch and kill.

It prints the URL once the server runs, and leaves when its standard input ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from app.core.embedded_watcher import data_of
from app.core.postmaster import find_postmaster
from app.core.settings import ROOT

PROGRAM = """
import sys
from pathlib import Path
from app.core import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


class ServerUser:
    """One running program that uses the server whose files lie in `home`."""

    def __init__(self, home: Path, python: str = sys.executable, uid: int | None = None) -> None:
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [python, "-c", PROGRAM, str(home)],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """The URL that it was given, once it was."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, self.error()
        return line

    def error(self) -> str:
        """What it said when it failed."""
        return self._process.communicate(timeout=60)[1]

    def leave(self) -> None:
        """Let it end by itself."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def kill(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.communicate(timeout=60)


def is_running(home: Path) -> bool:
    return find_postmaster(data_of(home)) is not None


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it came true in that time."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True
