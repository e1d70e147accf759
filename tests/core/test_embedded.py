"""The embedded PostgreSQL starts, survives what befalls it, and stops with its last user."""

import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from app.core import embedded
from app.core.embedded_watcher import data_of, is_watched
from app.core.postmaster import SOCKET_NAME, find_postmaster
from tests.core.embedded_user import ServerUser, is_running, wait_until

AS_ROOT = os.geteuid() == 0


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory whose way every user may go: pytest's own is for its user alone."""
    path = Path(tempfile.mkdtemp(prefix="latchkey-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose way every user may go."""
    with open_directory() as path:
        yield path


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A stopped server's files, made once: each test leaves it stopped."""
    with open_directory() as path:
        embedded.start(path / "home")
        embedded.stop(path / "home")
        yield path / "home"


@pytest.fixture
def home(prepared: Path) -> Iterator[Path]:
    yield prepared
    embedded.stop(prepared)
    assert wait_until(lambda: not is_running(prepared) and not is_watched(prepared))


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def test_it_is_version_18_with_a_database_of_ours_in_c_order(home: Path) -> None:
    url = embedded.start(home)
    assert str(ask(url, "SHOW server_version")).startswith("18.")
    assert (
        ask(
            url,
            "SELECT datname FROM pg_database WHERE datcollate = 'C' AND encoding = 6 "
            "AND datname = current_database()",
        )
        == "latchkey"
    )
    assert ask(url, "SELECT array_agg(x ORDER BY x)::text FROM unnest('{a,B,_,1}'::text[]) x") == (
        "{1,B,_,a}"
    )
    assert ask(url, "SHOW fsync") == "on"


def test_it_opens_no_tcp_port(home: Path) -> None:
    assert ask(embedded.start(home), "SHOW listen_addresses") == ""
    server = find_postmaster(data_of(home))
    assert server is not None
    assert psutil.Process(server.pid).net_connections(kind="inet") == []


def test_what_was_written_is_there_after_a_restart(home: Path) -> None:
    with psycopg.connect(embedded.start(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    embedded.stop(home)
    assert ask(embedded.start(home), "TABLE kept") == 1


def test_it_has_stopped_when_its_only_user_has_left(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    assert not is_running(home)


def test_starting_twice_is_joining(home: Path) -> None:
    assert embedded.start(home) == embedded.start(home)
    embedded.stop(home)
    assert not is_running(home)


def test_it_serves_until_its_last_user_leaves(home: Path) -> None:
    url = embedded.start(home)
    other = ServerUser(home)
    assert other.url() == url
    embedded.stop(home)
    assert ask(url, "SELECT 1") == 1
    other.leave()
    assert not is_running(home)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_its_only_user_is_killed(home: Path, how: signal.Signals) -> None:
    user = ServerUser(home)
    user.url()
    user.kill(how)
    assert wait_until(lambda: not is_running(home))


def test_a_killed_user_neither_stops_it_for_others_nor_keeps_it_alive(home: Path) -> None:
    url = embedded.start(home)
    user = ServerUser(home)
    user.url()
    user.kill(signal.SIGKILL)
    assert ask(url, "SELECT 1") == 1
    embedded.stop(home)
    assert not is_running(home)


def test_it_stops_when_the_one_who_started_it_was_killed_before_the_last_left(home: Path) -> None:
    starter = ServerUser(home)
    starter.url()
    url = embedded.start(home)
    starter.kill(signal.SIGKILL)
    assert ask(url, "SELECT 1") == 1
    embedded.stop(home)
    assert not is_running(home)


def test_a_new_user_gets_it_right_after_the_last_was_killed(home: Path) -> None:
    for _ in range(3):
        user = ServerUser(home)
        user.url()
        user.kill(signal.SIGKILL)
        assert ask(embedded.start(home), "SELECT 1") == 1
        embedded.stop(home)


def test_a_killed_server_recovers_at_the_next_start(home: Path) -> None:
    with psycopg.connect(embedded.start(home)) as connection:
        connection.execute("CREATE TABLE survivor AS SELECT 1")
    server = find_postmaster(data_of(home))
    assert server is not None
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    for process in processes:
        process.kill()
    assert wait_until(lambda: not is_running(home))
    embedded.stop(home)
    assert ask(embedded.start(home), "TABLE survivor") == 1


def test_a_left_over_number_that_is_another_process_now_is_no_server(home: Path) -> None:
    # Of the server's own user: PostgreSQL sees by itself that another's cannot be a server.
    owner = data_of(home).stat().st_uid
    other = subprocess.Popen(["/bin/sleep", "600"], user=owner if AS_ROOT else None)
    lines = [str(other.pid), str(data_of(home)), "1", "5432", str(data_of(home)), "", "", "ready"]
    for left_over in ("postmaster.pid", f"{SOCKET_NAME}.lock"):
        (data_of(home) / left_over).write_text("\n".join(lines))
        os.chown(data_of(home) / left_over, owner, -1)
    try:
        assert ask(embedded.start(home), "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_forked_child_does_not_stop_it_for_its_parent(home: Path) -> None:
    url = embedded.start(home)
    child = multiprocessing.get_context("fork").Process(target=embedded.stop, args=[home])
    child.start()
    child.join()
    assert ask(url, "SELECT 1") == 1


def test_a_first_start_that_was_cut_short_is_begun_again(directory: Path) -> None:
    half_made = directory / "data.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    assert ask(embedded.start(directory), "SELECT 1") == 1
    embedded.stop(directory)


def test_programs_that_start_it_together_share_it(directory: Path) -> None:
    users = [ServerUser(directory) for _ in range(3)]
    urls = {user.url() for user in users}
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT 1") == 1
    for user in users:
        user.leave()
    assert not is_running(directory)


@pytest.mark.parametrize("name", ["long" * 40, "with space, 'quotes\" and % $HOME ünïcode"])
def test_any_directory_will_do(directory: Path, name: str) -> None:
    home = directory / name
    url = embedded.start(home)
    assert ask(url, "SELECT 1") == 1
    sockets = find_postmaster(data_of(home))
    assert sockets is not None
    assert stat.S_IMODE(Path(sockets.socket_dir).stat().st_mode) == 0o700
    embedded.stop(home)
    assert Path(sockets.socket_dir).exists() == (sockets.socket_dir == str(data_of(home)))


def test_only_its_own_user_and_root_can_reach_it(home: Path) -> None:
    embedded.start(home)
    server = find_postmaster(data_of(home))
    assert server is not None
    assert stat.S_IMODE(data_of(home).stat().st_mode) == 0o700
    assert data_of(home).stat().st_uid == psutil.Process(server.pid).uids().effective


@pytest.mark.skipif(not AS_ROOT, reason="is about running as root")
def test_for_root_it_runs_as_another_user_who_may_pass_but_not_look(directory: Path) -> None:
    private = directory / "private"
    private.mkdir(mode=0o700)
    embedded.start(private / "home")
    server = find_postmaster(data_of(private / "home"))
    assert server is not None
    assert psutil.Process(server.pid).uids().effective != 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o701
    embedded.stop(private / "home")


@pytest.fixture
def ordinary() -> pwd.struct_passwd:
    """A user that is not root; and the interpreter, which must be in their reach."""
    return pwd.getpwnam("nobody")


@pytest.fixture
def their_python(ordinary: pwd.struct_passwd) -> str:
    """An interpreter of this version that the ordinary user can run with our packages."""
    version = "import sys, psutil, psycopg, pydantic_settings; print(sys.version_info[:2])"
    for python in (sys.executable, "/usr/bin/python3"):
        path = os.pathsep.join(filter(None, sys.path))
        done = _run_as(ordinary, [python, "-c", version], path)
        if done is not None and done.stdout.strip() == str(sys.version_info[:2]):
            return python
    pytest.skip("no interpreter with our packages is in the reach of the user `nobody`")


def _run_as(
    user: pwd.struct_passwd, command: list[str], path: str
) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    except PermissionError:
        return None


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user runs all other tests already")
def test_an_ordinary_user_runs_it(
    directory: Path, ordinary: pwd.struct_passwd, their_python: str
) -> None:
    os.chown(directory, ordinary.pw_uid, ordinary.pw_gid)
    home = directory / "home"
    user = ServerUser(home, their_python, ordinary.pw_uid)
    url = user.url()
    assert data_of(home).stat().st_uid == ordinary.pw_uid
    user.leave()
    assert not is_running(home)
    # Root may come later: the server then runs as the owner of the data.
    assert embedded.start(home) == url
    embedded.stop(home)
    again = ServerUser(home, their_python, ordinary.pw_uid)
    assert again.url() == url
    again.kill(signal.SIGKILL)
    assert wait_until(lambda: not is_running(home))


@pytest.mark.skipif(not AS_ROOT, reason="needs a second user")
def test_a_user_is_told_that_the_data_is_another_users(
    directory: Path, ordinary: pwd.struct_passwd, their_python: str
) -> None:
    home = directory / "home"
    embedded.start(home)
    embedded.stop(home)
    os.chown(home, ordinary.pw_uid, ordinary.pw_gid)
    for lock in home.glob("*.lock"):
        os.chown(lock, ordinary.pw_uid, ordinary.pw_gid)
    said = ServerUser(home, their_python, ordinary.pw_uid).error()
    assert "belongs to another user" in said
    assert "VAR_DIR" in said


@pytest.mark.skipif(not AS_ROOT, reason="needs a second user")
def test_a_user_is_told_when_the_directory_cannot_be_written(
    directory: Path, ordinary: pwd.struct_passwd, their_python: str
) -> None:
    said = ServerUser(directory / "home", their_python, ordinary.pw_uid).error()
    assert "cannot be written" in said
    assert "VAR_DIR" in said


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    config = data_of(home) / "postgresql.auto.conf"
    before = config.read_text()
    config.write_text("shared_buffers = 'nonsense'\n")
    try:
        with pytest.raises(
            embedded.EmbeddedServerFailed, match=r"(?s)shared_buffers.*DATABASE_URL"
        ):
            embedded.start(home)
    finally:
        config.write_text(before)
    assert ask(embedded.start(home), "SELECT 1") == 1
