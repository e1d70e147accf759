"""The account's keys as the keys page and its dialogs handle them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.accounts.suspension import Suspended
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.flows import account_keys
from app.keys import rotation, service
from app.keys.options import parse_options
from app.ui.guard import signed_in
from app.ui.state import PortalState, iso
from app.usage import calls

TRIAL_START = "lk_trial_"
CREATE_FIELDS = ("label", "lifetime", "allowed_ips")


@dataclass(frozen=True)
class KeyRow:
    """A key as the table shows it. Times are ISO 8601, or "" for never.

    `is_leaked`: it was in a URL, still works, and has not been replaced. `is_exposed`: others
    reported it, so it ends. `was_trial`: a trial was converted with it.
    """

    id: str
    label: str
    start: str
    status: str
    created_at: str
    last_used_at: str
    expires_at: str
    grace_ends_at: str
    is_leaked: bool
    is_exposed: bool
    can_rotate: bool
    was_trial: bool


class KeysState(PortalState):
    """The account's keys, and the dialogs that change them."""

    keys: list[KeyRow] = []
    is_loaded: bool = False
    is_creating: bool = False
    # never set on the server: sent once to the browser that made the key
    new_key: str = ""
    errors: dict[str, str] = {}
    rotating_id: str = ""
    rotating_label: str = ""
    revoking_id: str = ""
    revoking_label: str = ""
    revoking_calls: str = ""
    confirm_error: str = ""
    message: str = ""
    waiting: str = ""
    leaked: str = ""

    @signed_in
    async def enter(self) -> None:
        """Begin the page anew: no dialog or message of an earlier visit stays."""
        self.is_creating, self.errors, self.message = False, {}, ""
        self.rotating_id = self.revoking_id = ""
        await self.load()

    @signed_in
    async def load(self) -> None:
        """Show the account's keys."""
        user = self._require_user()
        async with unit_of_work() as session:
            found = await service.list_keys(session, user.user_id)
        self.keys = [_row(key) for key in found]
        self.waiting = _waiting(found, is_verified=user.is_verified)
        self.leaked = _leaked(found)
        self.is_loaded = True

    @signed_in
    def open_create(self) -> None:
        """Ask for the new key's name."""
        self.is_creating, self.errors = True, {}

    @signed_in
    def close_create(self, is_open: bool = False) -> None:
        """Leave without making a key."""
        self.is_creating = False

    @signed_in
    async def create_key(self, form: dict[str, Any]) -> None:
        """Make the key and send it, once, to this browser."""
        user = self._require_user()
        try:
            chosen = {name: str(form[name]) for name in CREATE_FIELDS if name in form}
            options = parse_options(**{"label": "", **chosen})
            async with unit_of_work() as session:
                key = await account_keys.create_key(session, user.user_id, options=options)
        except InvalidRequest as error:
            self.errors = error.fields
            return
        except (service.KeyLimitReached, Suspended) as error:
            self.errors = {"label": error.detail}
            return
        self.is_creating = False
        await self._show_once("new_key", key.secret)
        await self.load()

    @signed_in
    async def forget_key(self) -> None:
        """Take the shown key from this browser's page."""
        await self._show_once("new_key", "")

    @signed_in
    async def open_rotate(self, key_id: str) -> None:
        """Ask how long the old key shall live on."""
        key = await self._find_key(key_id)
        if key is not None:
            self.rotating_id, self.rotating_label = key.id, _name(key)

    @signed_in
    def close_rotate(self, is_open: bool = False) -> None:
        """Leave the key as it is."""
        self.rotating_id = ""

    @signed_in
    async def rotate_key(self, form: dict[str, Any]) -> None:
        """Make the successor and send it, once, to this browser."""
        user = self._require_user()
        grace = str(form.get("grace", ""))
        async with unit_of_work() as session:
            key = await rotation.rotate_key(session, user.user_id, self.rotating_id, grace=grace)
        self.rotating_id = ""
        await self._show_once("new_key", key.secret)
        await self.load()

    @signed_in
    async def open_revoke(self, key_id: str) -> None:
        """Ask before revoking, saying what will break."""
        user = self._require_user()
        key = await self._find_key(key_id)
        if key is None:
            return
        async with unit_of_work() as session:
            count = await calls.count_recent_calls(session, user.user_id, key.id)
        self.revoking_calls = "1 call" if count == 1 else f"{count:,} calls"
        self.confirm_error = ""
        self.revoking_id, self.revoking_label = key.id, _name(key)

    @signed_in
    def close_revoke(self, is_open: bool = False) -> None:
        """Leave the key as it is."""
        self.revoking_id = ""

    @signed_in
    async def revoke_key(self, form: dict[str, Any]) -> None:
        """Revoke the key whose name was typed."""
        user = self._require_user()
        if str(form.get("confirm", "")).strip() != self.revoking_label:
            self.confirm_error = f"Type {self.revoking_label} to revoke this key."
            return
        async with unit_of_work() as session:
            await service.revoke_key(session, user.user_id, self.revoking_id)
        self.revoking_id = ""
        self.message = f"Revoked {self.revoking_label}. Calls with it are refused from now on."
        await self.load()

    @signed_in
    async def approve_key(self, key_id: str) -> None:
        """Let a pending key work."""
        user = self._require_user()
        async with unit_of_work() as session:
            await service.approve_key(session, user.user_id, str(key_id))
        await self.load()

    async def _find_key(self, key_id: str) -> service.KeySummary | None:
        user = self._require_user()
        async with unit_of_work() as session:
            found = await service.list_keys(session, user.user_id)
        return next((key for key in found if key.id == key_id), None)


def _waiting(keys: Sequence[service.KeySummary], *, is_verified: bool) -> str:
    """What to do about keys that wait for their owner; "" when none does."""
    count = sum(key.status == "pending_verification" for key in keys)
    if not count:
        return ""
    subject = "1 key waits" if count == 1 else f"{count} keys wait"
    if is_verified:
        return f"{subject} for you. Approve each one that is yours, and revoke the rest."
    return f"{subject} until your address is verified; then you approve each one that is yours."


def _leaked(keys: Sequence[service.KeySummary]) -> str:
    """What to do about keys that were in a URL; "" when none was."""
    seen = [(key.leaked_at, _name(key)) for key in keys if key.leaked_at and _is_leaked(key)]
    if not seen:
        return ""
    last, name = max(seen)
    subject, remedy = f"{name} was", "Others may know it: rotate it."
    if len(seen) > 1:
        subject, remedy = f"{len(seen)} keys were", "Others may know them: rotate each."
    return f"{subject} in a URL, last on {last:%Y-%m-%d at %H:%M} UTC. {remedy}"


def _row(key: service.KeySummary) -> KeyRow:
    return KeyRow(
        id=key.id,
        label=_name(key),
        start=key.start or "",
        status=key.status,
        created_at=iso(key.created_at),
        last_used_at=iso(key.last_used_at),
        expires_at=iso(key.expires_at),
        grace_ends_at=iso(key.grace_ends_at),
        is_leaked=_is_leaked(key),
        is_exposed=key.reported_at is not None,
        can_rotate=_can_rotate(key),
        was_trial=(key.start or "").startswith(TRIAL_START),
    )


def _is_leaked(key: service.KeySummary) -> bool:
    return key.leaked_at is not None and _can_rotate(key)


def _can_rotate(key: service.KeySummary) -> bool:
    return key.status == "active" and key.grace_ends_at is None


def _name(key: service.KeySummary) -> str:
    return key.label or key.start or "Unnamed"
