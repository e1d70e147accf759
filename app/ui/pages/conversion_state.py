"""Turning a trial into a plan: with the plan that there is, or by way of Stripe's page."""

from typing import Any, Literal

import reflex as rx

from app.billing.checkout import free_until
from app.billing.overview import BillingOverview, get_overview
from app.billing.plans import FREE
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.flows.trial_conversion import buy_and_convert, convert_trial
from app.trials.states import Status
from app.ui.figures import day
from app.ui.guard import signed_in
from app.ui.pages.trial_state import TrialState
from app.ui.state import PortalState
from app.ui.trial_words import converted_words

Way = Literal["", "convert", "buy", "pay"]
"""What stands between a trial and a plan: nothing but a word, a purchase, an open invoice."""


class ConversionState(PortalState):
    """The dialog that converts the trial of the page; `way` is "" while it is closed."""

    way: Way = ""
    plan_name: str = ""
    free_until: str = ""
    problem: str = ""
    is_busy: bool = False
    # never set on the server: sent once to the browser that leaves
    leaving_to: str = ""

    @signed_in
    def enter(self) -> None:
        """Begin the page anew: no dialog of an earlier visit stays."""
        self.way, self.problem, self.is_busy = "", "", False

    @signed_in
    async def open_convert(self) -> None:
        """Ask before converting, saying with which plan, or which one it would take."""
        self.problem = ""
        await self._look()

    @signed_in
    def close_convert(self, is_open: bool = False) -> None:
        """Leave the trial as it is."""
        self.way = ""

    @signed_in
    async def convert_trial(self) -> None:
        """Let the trial's keys go on with the account's plan."""
        user, page = self._require_user(), await self.get_state(TrialState)
        self.problem = ""
        try:
            async with unit_of_work() as session:
                converted = await convert_trial(session, user.user_id, page._slug)
        except LatchkeyError as error:
            # the plan may have ended since the dialog said which one it was
            await self._look()
            self.problem = error.detail
        else:
            self.way = ""
            await page._done(converted_words([converted]))

    @signed_in
    @rx.event(background=True)
    async def buy_and_convert(self, form: dict[str, Any]) -> None:
        """Go to Stripe's page for the chosen plan; once it is paid, the trial is converted."""
        user = self._require_user()
        tier_id, interval = (str(form.get(field, "")) for field in ("tier_id", "interval"))
        async with self:
            if self.is_busy:
                return
            self.is_busy, self.problem = True, ""
            slug = (await self.get_state(TrialState))._slug
        try:
            address = await buy_and_convert(user.user_id, slug, tier_id, interval)
        except LatchkeyError as error:
            async with self:
                self.problem = error.detail
            return
        finally:
            async with self:
                self.is_busy = False
        async with self:
            is_wanted = self.way == "buy" and slug == (await self.get_state(TrialState))._slug
            # or it would be there for a moment when the customer comes back
            self.way = ""
        if is_wanted:
            await self._show_once("leaving_to", address)

    async def _look(self) -> None:
        """See what it takes now."""
        user, page = self._require_user(), await self.get_state(TrialState)
        found = await page._load()
        if found is None:
            self.way = ""
            return
        life = found.summary.life
        async with unit_of_work() as session:
            overview = await get_overview(session, user.user_id)
            is_free = life.status is Status.ACTIVE
            until = await free_until(session, user.user_id, life.expires_at) if is_free else None
        self.way, self.plan_name, self.free_until = _way(overview), overview.tier.name, day(until)


def _way(overview: BillingOverview) -> Way:
    if overview.access == "blocked":
        return "pay"
    is_free = overview.access == "free" or overview.tier.id == FREE
    return "buy" if is_free else "convert"
