"""The account's names and sessions, as the settings page handles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.accounts import profile, sessions
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.models import User
from app.ui.guard import signed_in
from app.ui.state import PortalState, iso

PROFILE_FIELDS = ("name", "company")


@dataclass(frozen=True)
class SessionRow:
    """A session as the table shows it. Times are ISO 8601; `address` is "" if not known."""

    id: str
    device: str
    address: str
    created_at: str
    last_seen_at: str
    is_current: bool


class SettingsState(PortalState):
    """Who the account says that it is, and where it is signed in."""

    is_loaded: bool = False
    name: str = ""
    company: str = ""
    is_verified: bool = False
    sessions: list[SessionRow] = []
    has_others: bool = False
    errors: dict[str, str] = {}
    message: str = ""
    dialog: str = ""

    @signed_in
    async def enter(self) -> None:
        """Begin the page anew: no dialog or message of an earlier visit stays."""
        self.dialog, self.message, self.errors = "", "", {}
        await self.load()

    @signed_in
    async def load(self) -> None:
        """Show the account's names and its sessions."""
        user = self._require_user()
        async with unit_of_work() as session:
            account = await session.get_one(User, user.user_id)
            found = await sessions.list_sessions(session, user.user_id, current_id=user.session_id)
        self.name, self.company = account.name or "", account.company or ""
        self.is_verified = user.is_verified
        self.sessions = _rows(found)
        self.has_others = any(not one.is_current for one in found)
        self.is_loaded = True

    @signed_in
    async def save_profile(self, form: dict[str, Any]) -> None:
        """Give the account the names in the form."""
        user = self._require_user()
        names = {field: str(form[field]) for field in PROFILE_FIELDS if field in form}
        self.message = ""
        try:
            async with unit_of_work() as session:
                await profile.update_profile(session, user.user_id, **names)
        except InvalidRequest as error:
            self.errors = error.fields
            return
        self.errors, self.message = {}, "Saved."
        await self.load()

    @signed_in
    async def end_session(self, session_id: str) -> None:
        """Sign another browser out."""
        user = self._require_user()
        ended = next((row for row in self.sessions if row.id == session_id), None)
        async with unit_of_work() as session:
            await sessions.end_own_session(session, user.user_id, str(session_id))
        self.message = f"Signed out {ended.device}." if ended else "That session has ended."
        await self.load()

    @signed_in
    def ask_to_end(self, value: str) -> None:
        """Ask before many sessions end: the `others`, or `all`."""
        self.dialog = value if value in {"others", "all"} else ""

    @signed_in
    def close_dialog(self, is_open: bool = False) -> None:
        """Leave the sessions as they are."""
        self.dialog = ""

    @signed_in
    async def end_others(self) -> None:
        """Sign all other browsers out."""
        user = self._require_user()
        async with unit_of_work() as session:
            count = await sessions.end_other_sessions(
                session, user.user_id, kept_id=user.session_id
            )
        self.dialog = ""
        others = "1 other browser" if count == 1 else f"{count} other browsers"
        self.message = f"Signed out {others}. Only this one is signed in."
        await self.load()


def _rows(found: Sequence[sessions.SessionSummary]) -> list[SessionRow]:
    return [
        SessionRow(
            id=one.id,
            device=one.device,
            address=one.ip_address or "",
            created_at=iso(one.created_at),
            last_seen_at=iso(one.last_seen_at),
            is_current=one.is_current,
        )
        for one in found
    ]
