"""One trial as its own page shows and handles it."""

from typing import Any, Literal
from urllib.parse import unquote

from app.core.clock import read_now
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest, LatchkeyError, NotFound
from app.trials import keys as trial_keys
from app.trials.repository import TrialView, get_trial
from app.trials.service import cancel_trial
from app.ui.guard import signed_in
from app.ui.state import PortalState
from app.ui.trial_words import TrialCard, TrialKeyRow, key_name, key_rows, trial_card
from app.usage.calls import count_recent_calls

Dialog = Literal["", "create", "revoke", "cancel"]


class TrialState(PortalState):
    """The trial that the address names, its keys, and the dialogs that change them."""

    trial: TrialCard = TrialCard()
    keys: list[TrialKeyRow] = []
    is_loaded: bool = False
    is_missing: bool = False
    message: str = ""
    dialog: Dialog = ""
    errors: dict[str, str] = {}
    # what the last 24 hours say would break
    calls: str = ""
    revoking_id: str = ""
    revoking_label: str = ""
    # never set on the server: sent once to the browser that made the key
    new_key: str = ""
    _slug: str = ""

    @signed_in
    async def enter(self) -> None:
        """Begin the page anew, with the trial of this address."""
        slug = slug_in(self.router.url.path)
        if slug != self._slug:
            self.is_loaded, self.trial, self.keys = False, TrialCard(), []
        self._slug, self.dialog, self.message = slug, "", ""
        await self._load()

    @signed_in
    async def refresh(self, now: str = "") -> None:
        """Follow the clock, the use and other tabs."""
        await self._load()

    @signed_in
    def open_create(self) -> None:
        """Ask for the new key's name."""
        self.dialog, self.errors = "create", {}

    @signed_in
    def close_dialog(self, is_open: bool = False) -> None:
        """Leave the trial as it is."""
        self.dialog = ""

    @signed_in
    async def create_key(self, form: dict[str, Any]) -> None:
        """Make the key and send it, once, to this browser."""
        user = self._require_user()
        label = str(form.get("label", ""))
        try:
            async with unit_of_work() as session:
                key = await trial_keys.create_key(session, user.user_id, self._slug, label=label)
        except LatchkeyError as error:
            await self._refuse(error, field="label")
            return
        self.dialog = ""
        await self._show_once("new_key", key.secret)
        await self._load()

    @signed_in
    async def forget_key(self) -> None:
        """Take the shown key from this browser's page."""
        await self._show_once("new_key", "")

    @signed_in
    async def open_revoke(self, key_id: str) -> None:
        """Ask before revoking a key, saying what will break."""
        found = await self._find()
        key = next((key for key in found.keys if key.id == key_id), None)
        if key is None:
            return
        await self._count_calls([key.id])
        self.revoking_id, self.revoking_label = key.id, key_name(key)
        self.dialog, self.errors = "revoke", {}

    @signed_in
    async def revoke_key(self, form: dict[str, Any]) -> None:
        """Revoke the key whose name was typed."""
        user = self._require_user()
        if str(form.get("confirm", "")).strip() != self.revoking_label:
            self.errors = {"confirm": f"Type {self.revoking_label} to revoke this key."}
            return
        try:
            async with unit_of_work() as session:
                await trial_keys.revoke_key(session, user.user_id, self._slug, self.revoking_id)
        except LatchkeyError as error:
            await self._refuse(error, field="confirm")
            return
        await self._done(f"Revoked {self.revoking_label}. Calls with it are refused from now on.")

    @signed_in
    async def open_cancel(self) -> None:
        """Ask before cancelling the trial, saying what will break."""
        found = await self._find()
        await self._count_calls([key.id for key in found.keys if key.status == "active"])
        self.dialog, self.errors = "cancel", {}

    @signed_in
    async def cancel_trial(self, form: dict[str, Any]) -> None:
        """Cancel the trial whose name was typed."""
        user = self._require_user()
        confirm = str(form.get("confirm", ""))
        try:
            async with unit_of_work() as session:
                await cancel_trial(session, user.user_id, self._slug, confirm=confirm)
        except LatchkeyError as error:
            await self._refuse(error, field="confirm")
            return
        await self._done(f"Cancelled {self.trial.name}. Calls with its keys are refused now.")

    async def _load(self) -> TrialView | None:
        """Show the trial as it is now; None where there is none."""
        user = self._require_user()
        try:
            async with unit_of_work() as session:
                found = await get_trial(session, user.user_id, self._slug)
                now = await read_now(session)
        except NotFound:
            self.is_loaded, self.is_missing, self.dialog = True, True, ""
            return None
        card, keys = trial_card(found.summary, now), key_rows(found.keys, found.summary.life)
        # every few seconds: what has not changed is not sent again
        if card != self.trial:
            self.trial = card
        if keys != self.keys:
            self.keys = keys
        self.is_loaded, self.is_missing = True, False
        return found

    async def _find(self) -> TrialView:
        user = self._require_user()
        async with unit_of_work() as session:
            return await get_trial(session, user.user_id, self._slug)

    async def _count_calls(self, key_ids: list[str]) -> None:
        user = self._require_user()
        async with unit_of_work() as session:
            counts = [await count_recent_calls(session, user.user_id, one) for one in key_ids]
        self.calls = "1 call" if sum(counts) == 1 else f"{sum(counts):,} calls"

    async def _refuse(self, error: LatchkeyError, *, field: str) -> None:
        """Say it beside the field, over the trial as it is now."""
        self.errors = error.fields if isinstance(error, InvalidRequest) else {field: error.detail}
        await self._load()

    async def _done(self, message: str) -> None:
        self.dialog, self.message = "", message
        await self._load()


def slug_in(path: str) -> str:
    """The slug that a trial's address names: the browser's word. "" for what can be none."""
    slug = unquote(path).strip("/").removeprefix("trials/")
    return slug if slug.isprintable() else ""
