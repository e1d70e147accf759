"""What `python -m app accounts …` does: lines to print, and the exit code."""

import getpass
import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import suspension
from app.accounts.repository import Customer, find_customer
from app.core.clock import DB_NOW
from app.core.database import dispose, unit_of_work
from app.core.errors import InvalidRequest, NotFound
from app.models import Session

Outcome = tuple[Sequence[str], int]


async def suspend(email: str, *, reason: str) -> Outcome:
    """Suspend the account with this address, for this reason."""
    if not reason.strip():
        raise InvalidRequest("Say why: --reason TEXT. Only operators see it.")
    try:
        async with unit_of_work() as session:
            user = (await _get_customer(session, email)).user
            await suspension.suspend(
                session, user.id, reason=reason.strip(), suspended_by=_operator()
            )
    finally:
        await dispose()
    return [f"{user.email}: suspended. Calls are refused within a second; nothing is deleted."], 0


async def restore(email: str) -> Outcome:
    """Open the account with this address again."""
    try:
        async with unit_of_work() as session:
            user = (await _get_customer(session, email)).user
            was_suspended = await suspension.restore(session, user.id)
    finally:
        await dispose()
    if not was_suspended:
        return [f"{user.email}: is not suspended"], 0
    return [f"{user.email}: restored. Its keys work again within a second."], 0


async def show(email: str) -> Outcome:
    """What there is of the account with this address."""
    try:
        async with unit_of_work() as session:
            customer = await _get_customer(session, email)
            found = await suspension.find_suspension(session, customer.user.id)
            sessions = await _count_sessions(session, customer.user.id)
    finally:
        await dispose()
    return _lines(customer, found, sessions), 0


def _lines(customer: Customer, found: suspension.Suspension | None, sessions: int) -> Sequence[str]:
    user, bought = customer.user, customer.subscription
    keys = Counter(key.status for key in customer.keys)
    facts = {
        "id": user.id,
        "name": user.name or "none",
        "company": user.company or "none",
        "signed up": _at(user.created_at),
        "verified": _at(user.email_verified) if user.email_verified else "no",
        "subscription": bought.status if bought else "none",
        "keys": ", ".join(f"{count} {status}" for status, count in sorted(keys.items())) or "none",
        "sessions": str(sessions),
        "suspended": _words(found) if found else "no",
    }
    return [user.email, *(f"  {name:<13} {value}" for name, value in facts.items())]


def _words(found: suspension.Suspension) -> str:
    by = f" by {found.suspended_by}" if found.suspended_by else ""
    return f"since {_at(found.since)}{by}: {found.reason or 'no reason given'}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


async def _get_customer(session: AsyncSession, email: str) -> Customer:
    customer = await find_customer(session, email)
    if customer is None:
        raise NotFound("There is no account with this address.")
    return customer


async def _count_sessions(session: AsyncSession, user_id: str) -> int:
    live = (Session.user_id == user_id, col(Session.expires) > DB_NOW)
    return (await session.exec(select(func.count()).select_from(Session).where(*live))).one()


def _operator() -> str:
    """Who types: the name of this machine's user, or the number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
