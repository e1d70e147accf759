"""Servers to measure: each a process of its own on a free port, under the same uvicorn."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
STOP_SECONDS = 30


class Server:
    """One command that listens on `port`, from its making until `stop()`."""

    def __init__(
        self, name: str, command: list[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.port = free_port()
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(part.format(port=self.port) for part in command)],
                cwd=ROOT,
                env={**os.environ, **environment, "PORT": str(self.port), "LOG_LEVEL": "warning"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until_it_answers(self, path: str, key: str) -> None:
        """Return when this path is answered with 200. Raises RuntimeError with the server's log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                url = f"http://127.0.0.1:{self.port}{path}"
                if httpx.get(url, headers={"X-API-Key": key}).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer:\n{self._log.read_text()[-2000:]}")

    def memory_mb(self) -> float:
        """Resident memory of the process and its children, in MiB."""
        pids = [self._process.pid, *_children(self._process.pid)]
        return sum(_resident_kb(pid) for pid in pids) / 1024

    def stop(self) -> None:
        """End it and its children."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)


def plain(factory: str, *, workers: int) -> list[str]:
    """The command that serves a factory of `bench.apps` as `app.cli` serves ours."""
    return [
        "-m", "uvicorn", f"bench.apps:{factory}", "--factory", "--port", "{port}",
        "--workers", str(workers), "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning",
    ]  # fmt: skip


def latchkey(command: str, *, workers: int) -> list[str]:
    """`python -m app api` or `serve`."""
    extra = ["--no-build"] if command == "serve" else []
    return ["-m", "app", command, "--workers", str(workers), *extra]


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
