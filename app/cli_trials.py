"""`python -m app trials …`: what the operator sees and does of customers' trials."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, NoReturn

import typer

trials = typer.Typer(help="Customers' trials.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The trial's name in addresses.")]


@trials.command("list")
def list_() -> None:
    """List the newest trials: end, slug, status, tier, owner's address, name."""
    _tell(lambda commands: commands.list_trials())


@trials.command()
def show(slug: Slug) -> None:
    """Show one trial with its keys and extensions."""
    _tell(lambda commands: commands.show(slug))


@trials.command()
def extend(
    slug: Slug,
    days: Annotated[int, typer.Option(min=1, max=365, help="How many days longer.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """Make a trial longer; one that is over runs again, for so many days from now.

    One that was converted or cancelled stays so.
    """
    _tell(lambda commands: commands.extend(slug, days=days, reason=reason))


def _tell(make: Callable[[Any], Coroutine[Any, Any, tuple[Sequence[str], int]]]) -> NoReturn:
    from app.cli import tell  # noqa: PLC0415  # it brings these commands in
    from app.trials import commands  # noqa: PLC0415  # other commands need no trials

    tell(lambda: make(commands))
