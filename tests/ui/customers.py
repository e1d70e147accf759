"""Customers with something of everything, for trying what others can do with it."""

import secrets
from dataclasses import dataclass

from app.core import database
from app.keys.format import key_start
from tests.factories import (
    make_call,
    make_key,
    make_session,
    make_trial_key,
    make_user,
    make_workspace,
)


@dataclass
class Person:
    """A customer, a key, a call and a trial of theirs, and the cookie of a live session.

    The trial is called by the key's label, and has a key of its own.
    """

    user_id: str
    email: str
    session_id: str
    cookie: str
    key_id: str
    key_start: str
    label: str
    call_id: str
    trial_id: str
    trial_path: str
    trial_key_id: str
    trial_key_start: str

    @property
    def ids(self):
        own = (self.user_id, self.session_id, self.key_id, self.call_id)
        return (*own, self.trial_id, self.trial_key_id)

    @property
    def secrets(self):
        own = (self.email, self.key_id, self.key_start, self.label, self.call_id)
        return (*own, self.trial_id, self.trial_key_id, self.trial_key_start)


async def make_person() -> Person:
    async with database.unit_of_work() as session:
        user = await make_user(session, email=f"{secrets.token_hex(6)}@example.com")
        label = f"label-{secrets.token_hex(6)}"
        key, secret = await make_key(session, user, label=label, status="pending_verification")
        call = await make_call(session, key)
        row, token = await make_session(session, user)
        trial = await make_workspace(session, user, name=label, slug=secrets.token_hex(8))
        trial_key, trial_secret = await make_trial_key(session, trial, label="of a trial")
        return Person(
            user_id=user.id,
            email=user.email,
            session_id=row.id,
            cookie=f"latchkey_session={token}",
            key_id=key.id,
            key_start=key_start(secret),
            label=label,
            call_id=call.id,
            trial_id=trial.id,
            trial_path=f"/trials/{trial.slug}/",
            trial_key_id=trial_key.id,
            trial_key_start=key_start(trial_secret),
        )
