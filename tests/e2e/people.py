"""Signed-in customers for browser tests, made through the tables."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from app.accounts.suspension import suspend
from app.core import database
from app.core.clock import utc_now
from app.core.ids import new_id
from app.models import BillingAccount, CallNote, KeyLeak
from tests.factories import (
    make_call,
    make_key,
    make_session,
    make_subscription,
    make_trial_call,
    make_trial_key,
    make_user,
    make_workspace,
)


def seed(url: str, make: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run `make(session)` in one unit of work on the database.

    In a thread of its own: Playwright keeps this one's event loop running.
    """

    async def run():
        database.point_at(url)
        try:
            async with database.unit_of_work() as session:
                return await make(session)
        finally:
            await database.dispose()
            database.point_at(None)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


async def newcomer(session) -> str:
    """A customer without keys; the session's token."""
    user = await make_user(session)
    return (await make_session(session, user))[1]


async def with_one_key(session) -> str:
    """A customer with the key `production`; the session's token."""
    user = await make_user(session)
    await make_key(session, user, label="production")
    return (await make_session(session, user))[1]


async def with_trials(session) -> tuple[str, dict[str, str]]:
    """A customer with a trial in every state; the token, and each trial's slug by its state."""
    user = await make_user(session)
    slugs = await make_trials(session, user)
    return (await make_session(session, user))[1], slugs


async def make_trials(session, user) -> dict[str, str]:
    """A trial in every state, each with keys and calls; its slug by its state."""
    now, longest = utc_now(), "Gesellschaft für ausserordentlich lange Namen und Söhne & Co"
    states = {
        "amber": {"name": longest, "expires_at": now + timedelta(days=2), "tier": "enterprise"},
        "red": {"expires_at": now + timedelta(hours=2)},
        "expired": {"status": "expired", "expires_at": now - timedelta(days=1)},
        "converted": {"status": "converted", "converted_at": now},
        "cancelled": {"status": "cancelled", "cancelled_at": now},
    }
    slugs = {"empty": (await make_workspace(session, user)).slug}
    for state, values in states.items():
        trial = await make_workspace(session, user, **values)
        status = {"converted": "converted", "cancelled": "revoked"}.get(state, "active")
        key, _ = await make_trial_key(session, trial, label="production", status=status)
        await make_trial_key(session, trial, label="laptop", status="revoked")
        await make_trial_call(session, key, units=4_500)
        slugs[state] = trial.slug
    return slugs


async def regular(session) -> str:
    """A customer with keys and trials in every state and calls of every kind; the token."""
    user = await make_user(session, email=f"a.rather.long.address.{new_id()}@engines.example")
    key, _ = await make_key(session, user, label="production")
    await make_key(
        session, user, label="A name as long as a name may be, which is sixty characters ok"
    )
    await make_key(session, user, label="from before", status="pending_verification")
    await make_key(session, user, label="old laptop", status="revoked")
    now = utc_now()
    session.add(KeyLeak(key_id=key.id, first_seen_at=now, last_seen_at=now, times=3))
    for status in (200, 201, 302, 400, 401, 404, 429, 500, 503):
        call = await make_call(session, key, status_code=status, latency_ms=status * 7)
        if status in {201, 429}:
            note = CallNote(call_id=call.id, times=40 if status > 400 else 1, aborted=status < 400)
            session.add(note)
    await make_trials(session, user)
    return (await make_session(session, user))[1]


async def unpaid(session) -> str:
    """A customer whose last payment failed yesterday, and whom Stripe does not know; the token."""
    user = await make_user(session)
    await make_subscription(session, user, status="past_due")
    since = utc_now() - timedelta(days=1)
    session.add(BillingAccount(user_id=user.id, tier="standard", unpaid_since=since))
    return (await make_session(session, user))[1]


async def suspended(session) -> str:
    """A customer whom the operator has suspended, also signed in elsewhere; the token here."""
    user = await make_user(session)
    await make_session(session, user)
    await suspend(session, user.id, reason="abuse", suspended_by="ops")
    return (await make_session(session, user))[1]


def sign_in(context, url: str, token: str) -> None:
    """Give the browser the session's cookie."""
    context.add_cookies([{"name": "latchkey_session", "value": token, "url": url}])
