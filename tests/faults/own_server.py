"""A PostgreSQL of the test's own, with fsync on, to be crashed and frozen."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.core import database, embedded, migrations
from app.core.embedded_watcher import data_of
from tests.conftest import _new_home

GONE_SECONDS = 10


class OwnServer:
    """Starts at once, its database migrated."""

    def __init__(self, home: Path) -> None:
        self._home = home
        embedded.start(home)
        self.url = embedded.url(home)
        migrations.upgrade(self.url)

    def set_at_restart(self, name: str, value: int) -> None:
        """Change a setting that needs a restart, and restart."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        self.crash()
        self.start_again()

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, so that it must recover at its start."""
        postmaster = self._processes()[0]
        os.kill(postmaster, signal.SIGQUIT)
        deadline = time.monotonic() + GONE_SECONDS
        while Path(f"/proc/{postmaster}").exists():
            assert time.monotonic() < deadline, "the server did not stop"
            time.sleep(0.02)

    def start_again(self) -> None:
        """Start it after a crash; it has recovered when this returns."""
        embedded._ensure_running(self._home)

    def freeze(self) -> None:
        """Stop the postmaster and all its processes where they are."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def stop(self) -> None:
        embedded.stop(self._home)

    def _processes(self) -> list[int]:
        """The postmaster, then its children."""
        postmaster = int((data_of(self._home) / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A server until the end of the block. `app` is pointed at it."""
    home = _new_home()
    server = OwnServer(home)
    database.point_at(server.url)
    try:
        yield server
    finally:
        database.point_at(None)
        server.stop()
        shutil.rmtree(home)
