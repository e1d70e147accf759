"""The command line, in processes of its own: what it says, and how it ends."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import cli
from app.core import database
from app.core.settings import Settings
from app.keys.format import is_well_formed, new_key
from app.ui.build import build_frontend
from tests.api.browser import make_settings
from tests.portal import ROOT, free_port, running_portal

COMMANDS = ["serve", "api", "worker", "migrate", "doctor", "keys", "usage", "billing", "trials"]
NOWHERE = "postgresql://me:hidden@127.0.0.1:1/none"
SECONDS = 60
Refusal = Callable[..., str]


def run(folder: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m app COMMAND` to its end; both outputs are in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", "app", *command],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(free_port()),
            "VAR_DIR": str(folder / "var"),
            **settings,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def must_not_come_to_this(*args: Any, **options: Any) -> None:
    raise AssertionError("it began to serve")


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Runs a command in this process, with these settings: quicker than a process of its own."""

    def invoke_here(*command: str, **values: Any) -> Result:
        settings = make_settings(tmp_path / "var", **{"port": free_port(), **values})
        monkeypatch.setattr("app.cli._settings", lambda: settings)
        monkeypatch.setattr("app.cli._use_built_pages", must_not_come_to_this)
        monkeypatch.setattr("app.cli._run_server", must_not_come_to_this)
        if settings.database_url:
            database.point_at(settings.database_url)
        return CliRunner().invoke(cli, command)

    yield invoke_here
    database.point_at(None)


@pytest.fixture
def refusal(invoke: Callable[..., Result], tmp_path: Path) -> Callable[..., str]:
    """What a command said that would not start: a line or few, and nothing was begun."""

    def said(*command: str, **values: Any) -> str:
        done = invoke(*command, **values)
        assert done.exit_code == 1, done.output
        assert isinstance(done.exception, SystemExit)
        assert "hidden" not in done.output
        assert not (tmp_path / "var").exists()
        return done.output

    return said


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if re.search(rf"\b{name}\b", done.stdout)] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "--help"])
    assert done.exit_code == 0
    assert f"python -m app {command}" in done.output.replace("root", "python -m app")


def test_wrong_settings_are_named_all_at_once_without_a_traceback(tmp_path: Path) -> None:
    wrong = {"PORT": "80x", "DATABASE_URL": "mysql://me:hidden@x/y", "LOG_LEVEL": "loud"}
    done = run(tmp_path, "serve", **wrong)
    assert done.returncode == 1
    assert "hidden" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "A setting is wrong (environment or .env):"
    assert {line.split(":")[0].strip() for line in lines[1:]} == set(wrong)


def test_several_portal_processes_need_redis(refusal: Refusal) -> None:
    assert "set REDIS_URL" in refusal("serve", "--workers", "2")


def test_busy_port_is_told_with_the_way_out(refusal: Refusal) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        said = refusal("api", port=port)
    assert said.startswith(f"Cannot listen on 127.0.0.1:{port}: Address already in use.")
    assert "set PORT" in said


def test_unusable_files_are_told_all_at_once(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text("[tiers")
    for command in ("serve", "api"):
        first, second = refusal(
            command, plans_file=tmp_path / "plans.toml", watchlists="own=/nowhere.jsonl"
        ).splitlines()
        assert "plans.toml: this is not valid TOML" in first
        assert second.startswith("WATCHLISTS: the list own (/nowhere.jsonl)")


def test_api_app_that_is_none_is_told(refusal: Refusal) -> None:
    said = refusal("api", api_app="app.screening.nothing:api")
    assert said.startswith("API_APP=app.screening.nothing:api")
    assert len(said.splitlines()) == 1


def test_database_that_is_away_is_told_without_its_password(refusal: Refusal) -> None:
    for command in ("api", "worker", "migrate"):
        said = refusal(command, database_url=NOWHERE)
        assert len(said.splitlines()) == 1
        assert "Connection refused" in said
        assert "DATABASE_URL" in said


def test_strange_schema_is_told(refusal: Refusal, postgres: str) -> None:
    for command in ("api", "worker"):
        said = refusal(command, database_url=postgres)
        assert said == "The database has another schema. Run: python -m app migrate\n"


def test_api_app_that_cannot_start_stops_the_start(tmp_path: Path, database_url: str) -> None:
    done = run(tmp_path, "api", API_APP="tests.stubborn_app:app", DATABASE_URL=database_url)
    assert done.returncode not in {0, None}
    assert "the shelf is empty" in done.stdout
    assert "Traceback" not in done.stdout


def test_migrating_twice_is_harmless(invoke: Callable[..., Result], database_url: str) -> None:
    for _ in range(2):
        done = invoke("migrate", database_url=database_url)
        assert (done.exit_code, done.output) == (0, "The database has this release's schema.\n")


def test_root_key_is_printed_once_with_the_setting_that_knows_it() -> None:
    made = []
    for _ in range(2):
        done = CliRunner().invoke(cli, ["keys", "root"])
        assert done.exit_code == 0
        [key] = re.findall(r"\blk_root_[0-9A-Za-z]{38}\b", done.output)
        assert is_well_formed(key)
        line = done.output.splitlines()[-1]
        settings = Settings(root_keys=line.removeprefix("ROOT_KEYS="))
        assert settings.root_key_digests == {hashlib.sha256(key.encode()).digest()}
        made.append(key)
    assert made[0] != made[1]


def lines_of(output: str) -> dict[str, tuple[str, str]]:
    """What the doctor found: subject -> (verdict, words)."""
    found = {}
    for line in output.splitlines():
        verdict, subject, words = re.match(r"(ok|FIX)\s+(\S+)\s+(.+)", line).groups()
        found[subject] = (verdict, words)
    return found


def test_doctor_finds_nothing_wrong_where_nothing_is(
    invoke: Callable[..., Result], database_url: str
) -> None:
    done = invoke("doctor", database_url=database_url)
    found = lines_of(done.output)
    assert done.exit_code == 0, done.output
    assert list(found) == ["PUBLIC_URL", "SECRET_KEY", "DATABASE", "Schema",
                           "REDIS_URL", "SMTP_URL", "API_UPSTREAM", "OAUTH_GITHUB",
                           "OAUTH_GOOGLE", "OAUTH_OIDC", "Stripe", "PLANS_FILE",
                           "API_APP", "WATCHLISTS"]  # fmt: skip
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert found["DATABASE"][1].startswith("DATABASE_URL, PostgreSQL 18")


def test_doctor_tells_of_each_fault_what_to_do(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "doctor",
        DATABASE_URL=NOWHERE,
        REDIS_URL="redis://127.0.0.1:1",
        SMTP_URL="smtp://127.0.0.1:1",
        PUBLIC_URL="http://portal.example",
        PLANS_FILE="/nowhere.toml",
        API_APP="nowhere:app",
    )
    found = lines_of(done.stdout)
    assert done.returncode == 1
    assert "hidden" not in done.stdout
    remedies = {
        "PUBLIC_URL": "into PUBLIC_URL",
        "DATABASE": "mend DATABASE_URL",
        "Schema": "python -m app migrate",
        "REDIS_URL": "mend REDIS_URL",
        "SMTP_URL": "mend SMTP_URL",
        "PLANS_FILE": "Set PLANS_FILE",
        "API_APP": "nowhere cannot be imported",
    }
    for subject, remedy in remedies.items():
        assert found[subject][0] == "FIX"
        assert remedy in found[subject][1]
    assert found["WATCHLISTS"] == ("ok", "not used: another API is metered")


def test_api_serves_stops_quickly_and_takes_its_database_along(tmp_path: Path) -> None:
    root_key = new_key("root")
    setting = hashlib.sha256(root_key.encode()).hexdigest()
    with running_portal(tmp_path, "api", "--workers", "2", ROOT_KEYS=setting) as api:
        question = {"key": "x", "endpoint": "/a", "method": "GET"}
        headers = {"X-API-Key": root_key}
        asked = httpx.post(f"{api.url}/api/v1/keys/verify", json=question, headers=headers)
        assert (asked.status_code, asked.json()["code"]) == (200, "invalid_key")
        refused = httpx.post(f"{api.url}/api/v1/screen", json={"name": "x"})
        assert (refused.status_code, refused.json()["code"]) == (401, "missing_key")
        assert httpx.get(f"{api.url}/auth/email/confirm").status_code == 404
        assert list(api.var_dir.glob("postgres/data/postmaster.pid"))
        seconds = stop(api.process, signal.SIGTERM)
    assert seconds < 10
    assert (api.process.returncode, api.log.read_text()) == (0, "")
    assert not list(api.var_dir.glob("postgres/data/postmaster.pid"))


def test_portal_tells_where_it_is_and_leaves_cleanly(tmp_path: Path, database_url: str) -> None:
    build_frontend()  # nothing happens when the pages are current
    with running_portal(tmp_path, DATABASE_URL=database_url) as portal:
        seconds = stop(portal.process, signal.SIGINT)
    assert seconds < 10
    said = portal.log.read_text()
    assert portal.process.returncode == 0
    assert "Traceback" not in said
    assert f"Latchkey   {portal.url}" in said
    assert f"read them at {portal.url}/dev/mail" in said
    assert "Stop       Ctrl-C" in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_worker_leaves_cleanly(tmp_path: Path, database_url: str, how: int) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "app", "worker"],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # a shell that runs the tests in the background has made them, and this, deaf to Ctrl-C
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # one thread
    )
    wait_for_worker(database_url)
    assert stop(worker, how) < 10
    assert (worker.returncode, worker.communicate()[0]) == (0, b"")


def wait_for_worker(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            query = "SELECT count(*) FROM latchkey.procrastinate_workers"
            if connection.execute(query).fetchone()[0]:
                return
            time.sleep(0.05)
    raise AssertionError("the worker did not start")


def stop(process: subprocess.Popen, how: int) -> float:
    """Send the signal; the seconds until the process had ended."""
    started = time.monotonic()
    process.send_signal(how)
    process.wait(SECONDS)
    return time.monotonic() - started
