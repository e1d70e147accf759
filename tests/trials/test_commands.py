"""`python -m app trials …`."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import cli
from app.core.clock import utc_now
from app.core.errors import NotFound
from app.models import TrialWorkspace
from app.trials import commands
from tests.conftest import UnitOfWork
from tests.factories import make_trial_key, make_user, make_workspace


@pytest.fixture
async def trial(unit_of_work: UnitOfWork) -> TrialWorkspace:
    async with unit_of_work() as session:
        owner = await make_user(session, email="ann@example.com")
        over = utc_now() - timedelta(days=2)
        trial = await make_workspace(session, owner, name="Acme", slug="acme", expires_at=over)
        await make_trial_key(session, trial, label="server")
        return trial


@pytest.fixture
def invoke(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr("app.cli.embedded.stop", lambda home: None)
    return lambda *command: CliRunner().invoke(cli, ["trials", *command])


async def test_trials_are_listed(unit_of_work: UnitOfWork) -> None:
    assert await commands.list_trials() == (["There are no trials."], 0)
    async with unit_of_work() as session:
        owner = await make_user(session, email="ann@example.com")
        await make_workspace(session, owner, name="Acme Inc", slug="acme")
        await make_workspace(session, owner, slug="old", expires_at=utc_now())
    lines, code = await commands.list_trials()
    assert code == 0
    [line] = [line for line in lines if "  acme  " in line]
    assert line.endswith("acme  active     standard  ann@example.com  Acme Inc")
    assert any("  old  expired    standard" in line for line in lines)


async def test_trial_is_shown_and_extended(unit_of_work: UnitOfWork, trial: TrialWorkspace) -> None:
    lines, _ = await commands.show("acme")
    shown = "\n".join(lines)
    for words in ("acme  Acme", "ann@example.com", "expired", "0 of 5000", "lk_trial_", "server"):
        assert words in shown
    assert f"Deleted  {trial.expires_at + timedelta(days=30):%Y-%m-%d}" in shown
    [line], code = await commands.extend("acme", days=7, reason="asked kindly")
    assert code == 0
    async with unit_of_work() as session:
        ends_at = (await session.get_one(TrialWorkspace, trial.id)).expires_at
    assert line.startswith(f"acme: was over since {trial.expires_at:%Y-%m-%d}")
    assert line.endswith(f", runs until {ends_at:%Y-%m-%d %H:%M:%S} UTC now")
    [line], _ = await commands.extend("acme", days=1, reason="once more")
    assert "was to end" in line
    lines, _ = await commands.show("acme")
    assert [line.split(": ")[-1] for line in lines if line.startswith("Longer")] == [
        "asked kindly",
        "once more",
    ]
    assert "Status   active" in lines


@pytest.mark.parametrize("slug", ["nothing", ""])
async def test_unknown_trial_is_said(trial: TrialWorkspace, slug: str) -> None:
    with pytest.raises(NotFound):
        await commands.show(slug)
    with pytest.raises(NotFound):
        await commands.extend(slug, days=1, reason="x")


@pytest.mark.parametrize("command", ["list", "show", "extend"])
def test_command_says_what_it_does(command: str) -> None:
    done = CliRunner().invoke(cli, ["trials", command, "--help"])
    assert (done.exit_code, "--help" in done.output) == (0, True)


def test_commands_work_from_the_command_line(invoke: Callable[..., Result]) -> None:
    listed = invoke("list")
    assert (listed.exit_code, listed.output) == (0, "There are no trials.\n")
    for command in (["show", "x"], ["extend", "x", "--days", "1", "--reason", "y"]):
        done = invoke(*command)
        assert done.exit_code == 1
        assert done.output == "There is no trial with this slug. See: python -m app trials list\n"
    assert invoke("extend", "x", "--days", "1").exit_code == 2
    assert invoke("extend", "x", "--days", "0", "--reason", "y").exit_code == 2
    done = invoke("extend", "x", "--days", "1", "--reason", " ")
    assert (done.exit_code, done.output) == (1, "Say why, in 1 to 500 characters.\n")
