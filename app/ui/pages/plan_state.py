"""What is done to the plan: buy, change, cancel, resume, and Stripe's page for the card.

All of it asks Stripe, which may take seconds: in the background, so that the page goes on
answering meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import reflex as rx
from reflex_base.event import EventSpec

from app.billing.changes import cancel, change_plan, preview_change, resume
from app.billing.checkout import start_checkout
from app.billing.plans import FREE
from app.billing.portal import open_customer_portal
from app.billing.prices import Interval, get_price
from app.core.errors import LatchkeyError
from app.ui.figures import price
from app.ui.guard import signed_in
from app.ui.pages.billing_state import BillingState
from app.ui.pages.plan_choice import PreviewView, preview_view
from app.ui.state import PortalState

Dialog = Literal["", "buy", "change", "cancel"]
Answer = TypeVar("Answer")

CANCELED = "Canceled. Your plan works until what you paid for ends; until then you can resume it."
RESUMED = "Your plan goes on."


class PlanState(PortalState):
    """The dialogs of the billing page. `busy` names what is being done, "" for nothing."""

    busy: str = ""
    # never set on the server: sent once to the browser that leaves
    leaving_to: str = ""
    dialog: Dialog = ""
    chosen_tier: str = ""
    chosen_interval: Interval = "month"
    chosen_name: str = ""
    chosen_price: str = ""
    problem: str = ""
    preview: PreviewView = PreviewView()
    is_previewed: bool = False
    _proration_at: int = 0

    @signed_in
    async def enter(self) -> EventSpec | None:
        """Begin the page anew; an address with `?plan=` opens that choice."""
        self.busy, self.dialog, self.problem = "", "", ""
        wish = self.router.url.query_parameters
        if "plan" not in wish:
            return None
        return await self._choose(wish["plan"], wish.get("interval", "month"))

    @signed_in
    async def choose_plan(self, tier_id: str, interval: str) -> EventSpec | None:
        """Ask before anything is bought or changed, and show what it costs."""
        return await self._choose(str(tier_id), str(interval))

    @signed_in
    def close_dialog(self, is_open: bool = False) -> None:
        """Leave the plan as it is."""
        self.dialog = ""

    @signed_in
    @rx.event(background=True)
    async def load_preview(self) -> None:
        """Ask Stripe what the chosen change would cost now."""
        user = self._require_user()
        async with self:
            wish, self.problem, self.is_previewed = self._wish(), "", False
        try:
            found = await preview_change(user.user_id, *wish)
        except LatchkeyError as error:
            async with self:
                is_wanted = wish == self._wish()
            if is_wanted:
                await self._note_problem(error.detail)
            return
        async with self:
            # another choice may have been made meanwhile, whose own answer comes
            if wish == self._wish():
                self.preview, self.is_previewed = preview_view(found), True
                self._proration_at = found.proration_at

    @signed_in
    @rx.event(background=True)
    async def begin_checkout(self) -> None:
        """Go to Stripe's page, where the chosen plan is paid; unless the dialog was left since."""
        user, wish = self._require_user(), self._wish()
        address = await self._ask("checkout", lambda: start_checkout(user.user_id, *wish))
        if address is None:
            return
        async with self:
            is_wanted = (self.dialog, self._wish()) == ("buy", wish)
            # or it would be there for a moment when the customer comes back
            self.dialog = "" if is_wanted else self.dialog
        if is_wanted:
            await self._show_once("leaving_to", address)

    @signed_in
    @rx.event(background=True)
    async def open_portal(self) -> None:
        """Go to Stripe's page for the card and the invoices."""
        user = self._require_user()
        address = await self._ask("portal", lambda: open_customer_portal(user.user_id))
        if address is not None:
            await self._show_once("leaving_to", address)

    @signed_in
    @rx.event(background=True)
    async def confirm_change(self) -> EventSpec | None:
        """Change to the chosen plan, at the sums that were shown."""
        user, wish, at = self._require_user(), self._wish(), self._proration_at
        if not self.is_previewed:
            return None  # the sums of this choice were never shown; those of another one were
        message = f"You are on {self.chosen_name} now, for {self.chosen_price}."
        return await self._do(
            "change", lambda: change_plan(user.user_id, *wish, proration_at=at), message
        )

    @signed_in
    @rx.event(background=True)
    async def confirm_cancel(self) -> EventSpec | None:
        """Let the plan end with what is paid for."""
        user = self._require_user()
        return await self._do("cancel", lambda: cancel(user.user_id), CANCELED)

    @signed_in
    @rx.event(background=True)
    async def resume_plan(self) -> EventSpec | None:
        """Let a plan that was to end go on."""
        user = self._require_user()
        return await self._do("resume", lambda: resume(user.user_id), RESUMED)

    async def _choose(self, tier_id: str, interval: str) -> EventSpec | None:
        plan = (await self.get_state(BillingState)).plan
        self.problem, self.is_previewed = "", False
        if tier_id == FREE:
            self.dialog = "cancel" if plan.is_subscribed and not plan.can_resume else ""
            return None
        offer = get_price(tier_id, interval)
        self.chosen_tier, self.chosen_name = offer.tier.id, offer.tier.name
        self.chosen_interval = offer.interval
        self.chosen_price = price(offer.unit_amount, offer.interval)
        self.dialog = "change" if plan.is_subscribed else "buy"
        return PlanState.load_preview() if self.dialog == "change" else None

    def _wish(self) -> tuple[str, str]:
        return self.chosen_tier, self.chosen_interval

    async def _do(
        self, what: str, act: Callable[[], Awaitable[None]], message: str
    ) -> EventSpec | None:
        """Have it done; then close the dialog, say so, and show plan and invoices as they are."""

        async def done() -> bool:
            await act()
            return True

        if await self._ask(what, done):
            async with self:
                self.dialog = ""
                await (await self.get_state(BillingState))._tell(message)
            return BillingState.load_invoices()
        return None

    async def _ask(self, what: str, act: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """What `act` gives, the page being busy meanwhile; None when it failed, which is then told.

        One act at a time: pressing again does nothing.
        """
        async with self:
            if self.busy:
                return None
            self.busy, self.problem = what, ""
        try:
            return await act()
        except LatchkeyError as error:
            await self._note_problem(error.detail)
            return None
        finally:
            async with self:
                self.busy = ""

    async def _note_problem(self, words: str) -> None:
        """Say it in the dialog, or at the top of the page; sums that were shown no longer hold."""
        async with self:
            self.is_previewed = False
            if self.dialog:
                self.problem = words
            else:
                self.failure = words
            # it may have failed because the plan is another by now
            await (await self.get_state(BillingState))._load()
