"""A PostgreSQL server seen from outside: is it running in this data directory, and stop it."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

SOCKET_NAME = ".s.PGSQL.5432"
_PATIENCE_SECONDS = 20.0
_READY_LINE = 7


@dataclass(frozen=True)
class Postmaster:
    """The server's first process, and the directory of its socket."""

    pid: int
    socket_dir: str
    is_ready: bool


def find_postmaster(data: Path) -> Postmaster | None:
    """The server that runs in `data`; None when there is none.

    A `postmaster.pid` that a crash or a restart of the machine left behind may name a
    process that is somebody else's by now, so the process itself is looked at.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) <= _READY_LINE or not _is_server_of(data, int(lines[0])):
        return None
    return Postmaster(int(lines[0]), lines[4].strip(), lines[_READY_LINE].strip() == "ready")


def forget_dead_postmaster(data: Path) -> None:
    """Remove what a server that is gone left behind to say that it runs.

    PostgreSQL itself refuses to start when the number in these files is, by chance, in use
    again. Call it only while nobody else can start a server in `data`.
    """
    pid_file = data / "postmaster.pid"
    if pid_file.exists() and _is_server_of(data, _pid_in(pid_file)):
        return
    for left_over in (pid_file, data / SOCKET_NAME, data / f"{SOCKET_NAME}.lock"):
        left_over.unlink(missing_ok=True)


def stop_postmaster(data: Path) -> None:
    """Stop the server in `data`, if one runs: connections are cut, nothing committed is lost."""
    server = find_postmaster(data)
    if server is None:
        return
    # Fast shutdown first; if that hangs, the immediate one, after which it recovers at start.
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, how)
        if _has_ended(data, server.pid):
            break
    if server.socket_dir != str(data):
        # Ours, made because the data's own path is too long for a socket.
        with contextlib.suppress(OSError):
            Path(server.socket_dir).rmdir()


def _has_ended(data: Path, pid: int) -> bool:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    # It is nobody's child that could be waited for.
    while _is_server_of(data, pid):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def _pid_in(pid_file: Path) -> int:
    first_line = pid_file.read_text().partition("\n")[0]
    return int(first_line) if first_line.strip().isdigit() else 0


def _is_server_of(data: Path, pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(process.cwd()) == data
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        # Somebody else's process is no server of ours.
        return False
