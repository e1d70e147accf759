"""`python -m app accounts …`: customers, suspended and opened again."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, NoReturn

import typer

accounts = typer.Typer(help="Customers, suspended and opened again.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's address.")]


@accounts.command()
def show(email: Email) -> None:
    """Show what there is of an account, and whether it is suspended."""
    _tell(lambda commands: commands.show(email))


@accounts.command()
def suspend(
    email: Email,
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Why, for operators to read; the customer does not see it."
        ),
    ],
) -> None:
    """Refuse an account's calls, and new keys, within a second. Nothing is deleted.

    The customer can still sign in, and reads there to whom to write: the address in MAIL_FROM.
    """
    _tell(lambda commands: commands.suspend(email, reason=reason))


@accounts.command()
def restore(email: Email) -> None:
    """Open a suspended account again; all that it had works within a second."""
    _tell(lambda commands: commands.restore(email))


def _tell(make: Callable[[Any], Coroutine[Any, Any, tuple[Sequence[str], int]]]) -> NoReturn:
    from app.accounts import commands  # noqa: PLC0415  # other commands need no accounts
    from app.cli import tell  # noqa: PLC0415  # it brings these commands in

    tell(lambda: make(commands))
