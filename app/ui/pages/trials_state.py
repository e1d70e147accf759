"""The account's trials as the trials page lists them, and the form that starts one."""

from typing import Any

import reflex as rx
from reflex_base.event import EventSpec

from app.core.clock import read_now
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest, LatchkeyError
from app.trials.claims import TrialTaken
from app.trials.repository import list_trials
from app.trials.service import start_trial
from app.trials.states import Status
from app.trials.tiers import find_trial_tier, list_trial_tiers
from app.ui.guard import signed_in
from app.ui.state import PortalState
from app.ui.trial_words import TrialCard, tier_name, trial_card

ROUTE = "/trials/"
FIELDS = ("name", "tier_id")


class TrialsState(PortalState):
    """The account's trials, and the dialog that starts one."""

    trials: list[TrialCard] = []
    running: list[TrialCard] = []
    is_loaded: bool = False
    is_starting: bool = False
    wanted_tier: str = ""
    errors: dict[str, str] = {}
    # the plan that can be bought where its trial has been had
    taken_tier: str = ""
    taken_name: str = ""

    @signed_in
    async def enter(self) -> None:
        """Begin the page anew; an address with `?tier=` opens the form with that tier."""
        tier_id = self.router.url.query_parameters.get("tier", "")
        self.is_starting = False
        if find_trial_tier(tier_id):
            self._open(tier_id)
        await self._load()

    @signed_in
    async def refresh(self, now: str = "") -> None:
        """Follow the clock, the use and other tabs."""
        await self._load()

    @signed_in
    def open_start(self) -> None:
        """Ask for the new trial's name and tier."""
        self._open("")

    @signed_in
    def close_start(self, is_open: bool = False) -> None:
        """Leave without starting one."""
        self.is_starting = False

    @signed_in
    async def start_trial(self, form: dict[str, Any]) -> EventSpec | None:
        """Start the trial and go to its page."""
        user = self._require_user()
        self.errors, self.taken_tier = {}, ""
        name, tier_id = (str(form.get(field, "")) for field in FIELDS)
        try:
            async with unit_of_work() as session:
                started = await start_trial(session, user.user_id, name=name, tier_id=tier_id)
                slug = started.slug
        except InvalidRequest as error:
            self.errors = error.fields
        except TrialTaken as error:
            self.errors = {"tier_id": error.detail}
            self.taken_tier, self.taken_name = tier_id, tier_name(tier_id)
        except LatchkeyError as error:
            self.errors = {"name": error.detail}
        else:
            self.is_starting = False
            return rx.redirect(f"{ROUTE}{slug}/")
        return None

    def _open(self, tier_id: str) -> None:
        self.is_starting, self.errors, self.taken_tier = True, {}, ""
        self.wanted_tier = tier_id or list_trial_tiers()[0].id

    async def _load(self) -> None:
        user = self._require_user()
        async with unit_of_work() as session:
            found = await list_trials(session, user.user_id)
            now = await read_now(session)
        trials = [trial_card(trial, now) for trial in found]
        # every few seconds: what has not changed is not sent again
        if trials != self.trials:
            self.trials = trials
            self.running = [trial for trial in trials if trial.status == Status.ACTIVE]
        self.is_loaded = True
