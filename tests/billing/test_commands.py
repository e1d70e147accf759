"""`python -m app billing …`."""

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from app.billing import commands
from app.cli import cli
from app.core.errors import NotFound
from app.models import User
from tests.billing.shop import Shop, keep


async def test_events_are_listed_and_replayed(shop: Shop) -> None:
    assert (await commands.list_events(only_failed=False))[0] == ["There are no events."]
    await shop.buy()
    for event in await shop.stage.told():
        await keep(event)
    lines, code = await commands.list_events(only_failed=False)
    assert code == 0
    [line] = [one for one in lines if "customer.subscription.created" in one]
    assert "pending" in line
    assert (await commands.list_events(only_failed=True))[0] == [
        "There are no events whose application failed."
    ]
    event_id = line.split()[2]
    lines, code = await commands.replay(event_id)
    assert (code, "applied" in lines[0]) == (0, True)
    assert await shop.tier() == "standard"
    with pytest.raises(NotFound):
        await commands.replay("evt_nothing")


async def test_account_is_compared_by_id_and_by_address(shop: Shop, unit_of_work: Any) -> None:
    assert (await commands.sync_user(shop.user_id))[0] == [
        f"{shop.user_id}: is no customer at Stripe"
    ]
    await shop.buy()
    lines, code = await commands.sync_user(shop.user_id)
    assert code == 0
    assert "repaired: " in lines[0]
    async with unit_of_work() as session:
        user = await session.get(User, shop.user_id)
    lines, _ = await commands.sync_user(user.email.upper())
    assert lines == [f"{shop.user_id}: as Stripe has it"]
    with pytest.raises(NotFound):
        await commands.sync_user("nobody@example.com")


async def test_all_accounts_are_compared(shop: Shop) -> None:
    await shop.buy()
    lines, code = await commands.reconcile_all()
    assert code == 0
    assert lines[-1] == "1 accounts compared, 1 repaired, 0 could not be compared"
    lines, _ = await commands.reconcile_all()
    assert lines == ["1 accounts compared, 0 repaired, 0 could not be compared"]


async def test_account_that_the_database_refuses_does_not_stop_the_comparing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.buy()

    async def refused(*_: Any, **__: Any) -> None:
        raise OperationalError("statement", {}, Exception("deadlock detected"))

    monkeypatch.setattr("app.billing.reconcile.sync", refused)
    lines, code = await commands.reconcile_all()
    assert code == 1
    assert lines[-1] == "1 accounts compared, 0 repaired, 1 could not be compared"


@pytest.mark.parametrize("command", ["events", "replay", "sync", "reconcile"])
def test_command_says_what_it_does(command: str) -> None:
    done = CliRunner().invoke(cli, ["billing", command, "--help"])
    assert done.exit_code == 0
    assert "--help" in done.output


def test_events_are_listed_from_the_command_line(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.embedded.stop", lambda home: None)
    done = CliRunner().invoke(cli, ["billing", "events", "--failed"])
    assert (done.exit_code, done.output) == (0, "There are no events whose application failed.\n")


def test_account_that_is_not_there_is_said(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.embedded.stop", lambda home: None)
    done = CliRunner().invoke(cli, ["billing", "sync", "nobody@example.com"])
    assert done.exit_code == 1
    assert "There is no account" in done.output
