"""Stops the embedded PostgreSQL when nobody uses it any more; runs as a process of its own.

`python -m app.core.embedded_watcher HOME` waits until it holds `users.lock` alone: then the
last user has ended, in whatever way, and it stops the server.
"""

import fcntl
import os
import sys
from pathlib import Path

from app.core.postmaster import stop_postmaster


def data_of(home: Path) -> Path:
    """The data directory of the server whose files lie in `home`."""
    return home / "data"


def open_lock(home: Path, name: str) -> int:
    """A descriptor to `flock`; closing it leaves the lock."""
    return os.open(home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def has_lock_alone(lock: int) -> bool:
    """Take the lock alone if nobody else holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop_if_unused(home: Path) -> None:
    """Stop the server unless somebody uses it; if the watcher is stopping it, wait for that."""
    lock = open_lock(home, "users.lock")
    try:
        if has_lock_alone(lock):
            stop_postmaster(data_of(home))
        else:
            fcntl.flock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def is_watched(home: Path) -> bool:
    """Whether a watcher is at its post."""
    lock = open_lock(home, "watcher.lock")
    try:
        return not has_lock_alone(lock)
    finally:
        os.close(lock)


def watch(home: Path) -> None:
    """Wait for the last user to leave, then stop the server. One watcher is enough."""
    post = open_lock(home, "watcher.lock")
    if not has_lock_alone(post):
        return
    users = open_lock(home, "users.lock")
    fcntl.flock(users, fcntl.LOCK_EX)
    # Leave the post while nobody can start a server: the next one gets a new watcher.
    os.close(post)
    stop_postmaster(data_of(home))
    os.close(users)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
