"""`python -m app accounts …`."""

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession
from typer.testing import CliRunner

from app.accounts import commands
from app.cli import cli
from app.core import database
from app.core.errors import InvalidRequest, NotFound
from app.models import User
from tests.conftest import UnitOfWork
from tests.e2e.people import seed
from tests.factories import make_key, make_session, make_user

ADDRESS = "ada@example.com"


@pytest.fixture
async def ada(unit_of_work: UnitOfWork) -> User:
    async with unit_of_work() as session:
        return await make_user(session, email=ADDRESS, company="Engines")


async def shown() -> str:
    lines, code = await commands.show(ADDRESS)
    assert code == 0
    return "\n".join(lines)


async def test_account_is_suspended_shown_and_restored(ada: User) -> None:
    assert "suspended     no" in await shown()
    lines, code = await commands.suspend(ADDRESS.upper(), reason=" abuse ")
    assert (code, lines[0].startswith(f"{ADDRESS}: suspended.")) == (0, True)
    words = await shown()
    assert "suspended     since 2" in words
    assert words.endswith(f" by {commands._operator()}: abuse")
    lines, code = await commands.restore(ADDRESS)
    assert (code, lines[0].startswith(f"{ADDRESS}: restored.")) == (0, True)
    assert "suspended     no" in await shown()
    assert (await commands.restore(ADDRESS))[0] == [f"{ADDRESS}: is not suspended"]


async def test_account_is_shown_with_what_it_has(unit_of_work: UnitOfWork, ada: User) -> None:
    async with unit_of_work() as session:
        for status in ("active", "active", "revoked"):
            await make_key(session, ada, status=status)
        await make_session(session, ada)
    words = await shown()
    for line in (f"id            {ada.id}", "company       Engines", "subscription  none"):
        assert line in words
    assert "keys          2 active, 1 revoked" in words
    assert "sessions      1" in words


async def test_address_that_nobody_has_is_said(unit_of_work: UnitOfWork) -> None:
    for asked in (
        commands.show("nobody@example.com"),
        commands.restore("nobody@example.com"),
        commands.suspend("nobody@example.com", reason="abuse"),
    ):
        with pytest.raises(NotFound, match="no account with this address"):
            await asked


async def test_reason_must_be_given(ada: User) -> None:
    with pytest.raises(InvalidRequest, match="--reason"):
        await commands.suspend(ADDRESS, reason="  ")
    assert "suspended     no" in await shown()


def test_operator_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("app.accounts.commands.getpass.getuser", nameless)
    assert commands._operator().startswith("uid ")


@pytest.mark.parametrize("command", ["suspend", "restore", "show"])
def test_command_says_what_it_does(command: str) -> None:
    done = CliRunner().invoke(cli, ["accounts", command, "--help"])
    assert done.exit_code == 0
    assert "--help" in done.output


def test_suspending_from_the_command_line_needs_a_reason_and_an_account(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.embedded.stop", lambda home: None)
    done = CliRunner().invoke(cli, ["accounts", "suspend", "nobody@example.com"])
    assert done.exit_code == 2
    done = CliRunner().invoke(
        cli, ["accounts", "suspend", "nobody@example.com", "--reason", "abuse"]
    )
    assert (done.exit_code, done.output) == (1, "There is no account with this address.\n")


def test_suspending_from_the_command_line_is_shown_there(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make(session: AsyncSession) -> None:
        await make_user(session, email=ADDRESS)

    monkeypatch.setattr("app.cli.embedded.stop", lambda home: None)
    seed(database_url, make)
    database.point_at(database_url)
    for words, said in (
        (["suspend", ADDRESS, "--reason", "abuse"], f"{ADDRESS}: suspended."),
        (["show", ADDRESS], ": abuse"),
        (["restore", ADDRESS], f"{ADDRESS}: restored."),
    ):
        done = CliRunner().invoke(cli, ["accounts", *words])
        assert (done.exit_code, said in done.output) == (0, True)
