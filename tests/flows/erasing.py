"""Erasures without a worker: asked for, aged, and worked on, as a test likes."""

from datetime import timedelta
from pathlib import Path

from sqlmodel import select, update

from app.accounts.erasures import SETTLE
from app.core.clock import DB_NOW
from app.core.database import unit_of_work
from app.flows.erasure import begin_erasure
from app.integrations.mail import list_stored
from app.integrations.stripe.errors import StripeNotFound, StripeUnavailable
from app.jobs import erasure
from app.models import Erasure
from tests.flows.customers import Customer


class Stripe:
    """Stands in for Stripe: `known` are its customers, `found` is the one that search finds."""

    def __init__(self, *known: str, found: str | None = None) -> None:
        self.known = set(known)
        self.found = found
        self.is_away = False

    async def find_customer(self, user_id: str) -> str | None:
        self._answer()
        return self.found

    async def delete_customer(self, customer_id: str) -> None:
        self._answer()
        if customer_id not in self.known:
            raise StripeNotFound
        self.known.remove(customer_id)

    def _answer(self) -> None:
        if self.is_away:
            raise StripeUnavailable


async def ask(customer: Customer) -> str:
    """As the page does when its dialog is confirmed; the erasure's id."""
    async with unit_of_work() as session:
        await begin_erasure(
            session, customer.user.id, customer.session_id, confirm=customer.user.email
        )
    async with unit_of_work() as session:
        wanted = select(Erasure.id).where(Erasure.user_id == customer.user.id)
        return (await session.exec(wanted)).one()


async def age(by: timedelta = SETTLE) -> None:
    """Let so much time go by since all erasures were asked for, and let work on them be due."""
    async with unit_of_work() as session:
        asked_at = Erasure.requested_at - by  # type: ignore[operator]  # a column less an interval
        await session.exec(update(Erasure).values(requested_at=asked_at, next_try_at=DB_NOW))


async def work(erasure_id: str) -> None:
    """Work on it until it has settled, and then once more."""
    await erasure.erase(erasure_id)
    await age()
    await erasure.erase(erasure_id)


async def is_open() -> bool:
    """Whether any erasure is still there."""
    async with unit_of_work() as session:
        return (await session.exec(select(Erasure.id))).first() is not None


def subjects(folder: Path) -> list[str]:
    """Of the mails so far, oldest first."""
    return [mail.subject for mail in reversed(list_stored(folder / "mail"))]
