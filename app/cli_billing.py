"""`python -m app billing …`: Stripe's events, and what we hold against it."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, NoReturn

import typer

billing = typer.Typer(help="Stripe's events, and what we hold against it.", no_args_is_help=True)


@billing.command()
def events(
    failed: Annotated[bool, typer.Option(help="Only those whose application failed.")] = False,
) -> None:
    """List the newest events that Stripe has sent: when, id, state, type, customer."""
    _tell(lambda commands: commands.list_events(only_failed=failed))


@billing.command()
def replay(event_id: Annotated[str, typer.Argument(metavar="ID", help="evt_…")]) -> None:
    """Apply an event again, now: ask Stripe about its customer and write down the answer.

    The exit code is 1 when it failed; then it is tried again later.
    """
    _tell(lambda commands: commands.replay(event_id))


@billing.command()
def sync(user: Annotated[str, typer.Argument(help="The account's id or address.")]) -> None:
    """Compare one account with Stripe, and repair what differs."""
    _tell(lambda commands: commands.sync_user(user))


@billing.command()
def reconcile() -> None:
    """Compare every account with Stripe, and repair what differs; a job does it each night.

    The exit code is 1 when some could not be compared.
    """
    _tell(lambda commands: commands.reconcile_all())


def _tell(make: Callable[[Any], Coroutine[Any, Any, tuple[Sequence[str], int]]]) -> NoReturn:
    from app.billing import commands  # noqa: PLC0415  # other commands need no billing
    from app.cli import tell  # noqa: PLC0415  # it brings these commands in

    tell(lambda: make(commands))
