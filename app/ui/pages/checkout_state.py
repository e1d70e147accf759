"""After the checkout: wait until Stripe says that it is paid, and say so."""

import reflex as rx
from reflex_base.event import EventSpec

from app.billing.checkout import CheckoutOutcome, is_checkout_settled
from app.core.errors import LatchkeyError, NotFound
from app.flows.trial_conversion import convert_wished
from app.ui.guard import signed_in
from app.ui.pages.billing_state import BillingState
from app.ui.state import PortalState

POLL_INTERVAL_MS = 2000
MOST_POLLS = 30
"""A minute: the confirmation mostly comes within seconds."""

SLOW = (
    "Your payment is not confirmed yet. That can take some minutes. You can leave this page: "
    "your plan changes by itself, and nothing is charged twice."
)
FAILED = {
    CheckoutOutcome.FAILED: "The plan of this checkout is not active: its payment failed, or it "
    "has ended since. Your invoices below say what was charged. Choose a plan to try again.",
    CheckoutOutcome.EXPIRED: "The checkout ran out of time and nothing was charged. Choose a plan "
    "below to begin again.",
}
UNKNOWN = (
    "There is no such checkout on your account. If you paid signed in with another address, "
    "sign in with that one."
)


class CheckoutState(PortalState):
    """The wait for a checkout that the address names."""

    is_waiting: bool = False
    trouble: str = ""
    can_ask_again: bool = False
    _checkout_id: str = ""
    _polls: int = 0
    _is_asking: bool = False

    @signed_in
    def enter(self) -> EventSpec | None:
        """Begin to wait when the address names a checkout."""
        self._checkout_id = self.router.url.query_parameters.get("checkout", "")
        self.is_waiting, self.trouble, self.can_ask_again = False, "", False
        self._is_asking = False  # a look that a stop of this program cut off never ended
        return self._wait() if self._checkout_id else None

    @signed_in
    def ask_again(self) -> EventSpec | None:
        """Wait once more."""
        return self._wait() if self._checkout_id else None

    @signed_in
    @rx.event(background=True)
    async def check(self, now: str = "") -> EventSpec | None:
        """Look whether the checkout is settled; a later look follows while it is not."""
        user = self._require_user()
        async with self:
            if not self.is_waiting or self._is_asking:
                return None
            self._is_asking = True
        try:
            outcome = await is_checkout_settled(user.user_id, self._checkout_id)
        except NotFound:
            await self._stop(UNKNOWN)
        except LatchkeyError as error:
            await self._wait_on(error.detail)
        else:
            return await self._take(outcome)
        finally:
            async with self:
                self._is_asking = False
        return None

    def _wait(self) -> EventSpec:
        self.is_waiting, self.trouble, self.can_ask_again = True, "", False
        self._polls = 0
        return CheckoutState.check()

    async def _take(self, outcome: CheckoutOutcome) -> EventSpec | None:
        if outcome is CheckoutOutcome.WAITING:
            await self._wait_on(SLOW)
            return None
        if outcome is not CheckoutOutcome.ACTIVE:
            await self._stop(FAILED[outcome])
            return None
        # the event may be here first, and then its job has converted them
        converted = await convert_wished(self._require_user().user_id)
        async with self:
            self.is_waiting, self._checkout_id = False, ""
            await (await self.get_state(BillingState))._welcome(converted)
        # the address no longer names the checkout, so that a reload does not tell of it again
        return rx.redirect("/billing/", replace=True)

    async def _wait_on(self, reason: str) -> None:
        """Wait for the next look, or after the last one say why that was not enough."""
        async with self:
            self._polls += 1
            is_over = self._polls >= MOST_POLLS
        if is_over:
            await self._stop(reason, can_ask_again=True)

    async def _stop(self, reason: str, *, can_ask_again: bool = False) -> None:
        async with self:
            self.is_waiting, self.trouble, self.can_ask_again = False, reason, can_ask_again
