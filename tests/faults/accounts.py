"""Accounts and keys for the callers, in the database that `app` is pointed at."""

from typing import Any

from app.core import database
from tests.factories import make_key, make_trial_key, make_user, make_workspace
from tests.faults.callers import Key


async def make_keys(*, live: int = 3, trial: int = 1, **overrides: Any) -> list[Key]:
    """Keys of one new account; those of trials in one workspace. `overrides` are of live keys."""
    async with database.unit_of_work() as session:
        user = await make_user(session)
        made: list[Any] = [await make_key(session, user, **overrides) for _ in range(live)]
        if trial:
            workspace = await make_workspace(session, user)
            made += [await make_trial_key(session, workspace) for _ in range(trial)]
    await database.dispose()
    return [(row.id, secret) for row, secret in made]
