"""What every page's state shares: who is signed in, failures in words, and showing once."""

import asyncio
import logging
from datetime import datetime

import reflex as rx
from reflex_base.event.context import EventContext

from app.accounts.sessions import CurrentUser
from app.accounts.suspension import find_suspension
from app.billing.overview import get_overview
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.ui.account_words import suspension_alert
from app.ui.guard import NotSignedIn, public, require_caller, signed_in
from app.ui.plan_words import payment_alert

logger = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on our side. Try again."
_VAR_SUFFIX = "_rx_state_"


class PortalState(rx.State):
    """The parent of every signed-in page's state."""

    email: str = ""
    is_unverified: bool = False
    failure: str = ""
    payment_alert: str = ""
    suspension_alert: str = ""

    @rx.var
    def is_signed_in(self) -> bool:
        """Whether guarded content may render; the guard itself is on the server."""
        return self.email != ""

    @signed_in
    async def load_user(self) -> None:
        """Put the signed-in person's address into the layout, and what the account must know."""
        user = self._require_user()
        self.email, self.is_unverified = user.email, not user.is_verified
        async with unit_of_work() as session:
            self.payment_alert = payment_alert(await get_overview(session, user.user_id))
            self.suspension_alert = suspension_alert(await find_suspension(session, user.user_id))

    @public
    def show_failure(self, message: str) -> None:
        """Show a message in the page's banner."""
        self.failure = str(message)[:300]

    @public
    async def dismiss_failure(self) -> None:
        """Take the banner away."""
        self.failure = ""
        # a failure that was sent past the state is only in the browser
        await self._show_once("failure", "")

    def _require_user(self) -> CurrentUser:
        return require_caller()

    async def _show_once(self, var: str, value: str) -> None:
        """Send a value to this browser for the declared var, and keep it nowhere.

        The state holds the var's default all along, so no pickle, hydrate or other
        socket ever sees the value.
        """
        delta = {self.get_full_name(): {var + _VAR_SUFFIX: value}}
        await EventContext.get().emit_delta(delta)


def answer_failure(exception: Exception) -> None:
    """Reflex's backend exception handler: the failure's words in the page's banner.

    They go straight to the browser: an event would be handled with the same request data,
    fail in the same way, and be answered by another, for ever.
    """
    words = UNEXPECTED
    if isinstance(exception, LatchkeyError):
        words = exception.detail
    elif not isinstance(exception, NotSignedIn):
        logger.error("An event handler failed", exc_info=exception)
    sending = asyncio.create_task(_send_words(words))
    _sending.add(sending)
    sending.add_done_callback(_sending.discard)


async def _send_words(words: str) -> None:
    delta = {PortalState.get_full_name(): {"failure" + _VAR_SUFFIX: words}}
    await EventContext.get().emit_delta(delta)


_sending: set[asyncio.Task[None]] = set()
"""Tasks that nobody awaits are kept here, or they may be collected before they end."""


def iso(moment: datetime | None) -> str:
    """A moment as the pages take it: ISO 8601 with its zone, or "" for none."""
    return moment.isoformat() if moment else ""
