"""A real portal in a process of its own, as `python -m app serve` starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 30


@dataclass
class Portal:
    """Where it listens, and what it leaves behind."""

    url: str
    var_dir: Path
    log: Path
    process: subprocess.Popen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_portal(folder: Path, *command: str, **settings: str) -> Iterator[Portal]:
    """Start `python -m app COMMAND`, wait until it is ready, stop it with SIGTERM at the end.

    On a free port, unless PORT is among the settings.
    """
    portal_settings = {"PORT": str(free_port()), "VAR_DIR": str(folder / "var"), **settings}
    log = folder / "portal.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *(command or ("serve", "--no-build"))],
            cwd=ROOT,
            env={**os.environ, **portal_settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    portal = Portal(f"http://localhost:{portal_settings['PORT']}", folder / "var", log, process)
    try:
        wait_until_ready(portal)
        yield portal
    finally:
        stop(portal)


def wait_until_ready(portal: Portal) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if portal.process.poll() is not None:
            break
        try:
            if httpx.get(f"{portal.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"The portal did not start:\n{portal.log.read_text()[-4000:]}")


def stop(portal: Portal) -> None:
    if portal.process.poll() is None:
        portal.process.send_signal(signal.SIGTERM)
        portal.process.wait(STOP_SECONDS)
