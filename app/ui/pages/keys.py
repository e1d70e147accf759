"""The keys page: make, see, approve and revoke."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.experimental.client_state import ClientStateVar

from app.billing.plans import FREE, get_plans
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.keys import service
from app.ui.components import (
    Column,
    button,
    dialog,
    dialog_actions,
    dialog_close,
    empty_state,
    field,
    key_badge,
    key_line,
    menu,
    menu_item,
    mono,
    notice,
    relative_time,
    skeleton,
    snippet_tabs,
    table,
)
from app.ui.guard import signed_in
from app.ui.pages.frame import portal_page
from app.ui.pages.snippets import KEY_PLACEHOLDER, screen_snippets
from app.ui.state import PortalState, iso
from app.usage import calls


@dataclass(frozen=True)
class KeyRow:
    """A key as the table shows it. Times are ISO 8601, or "" for never."""

    id: str
    label: str
    start: str
    status: str
    created_at: str
    last_used_at: str
    expires_at: str


class KeysState(PortalState):
    """The account's keys, and the dialogs that change them."""

    keys: list[KeyRow] = []
    is_loaded: bool = False
    is_creating: bool = False
    label_error: str = ""
    # never set on the server: sent once to the browser that made the key
    new_key: str = ""
    revoking_id: str = ""
    revoking_label: str = ""
    revoking_calls: int = 0
    confirm_error: str = ""
    message: str = ""
    waiting: str = ""

    @signed_in
    async def load(self) -> None:
        """Show the account's keys."""
        user = self._require_user()
        async with unit_of_work() as session:
            found = await service.list_keys(session, user.user_id)
        self.keys = [_row(key) for key in found]
        self.waiting = _waiting(found, is_verified=user.is_verified)
        self.is_loaded = True

    @signed_in
    def open_create(self) -> None:
        """Ask for the new key's name."""
        self.is_creating, self.label_error = True, ""

    @signed_in
    def close_create(self, is_open: bool = False) -> None:
        """Leave without making a key."""
        self.is_creating = False

    @signed_in
    async def create_key(self, form: dict[str, Any]) -> None:
        """Make the key and send it, once, to this browser."""
        user = self._require_user()
        try:
            async with unit_of_work() as session:
                limit = get_plans().get_tier(FREE).keys
                label = str(form.get("label", ""))
                key = await service.create_key(session, user.user_id, label=label, limit=limit)
        except (InvalidRequest, service.KeyLimitReached) as error:
            self.label_error = error.detail
            return
        self.is_creating = False
        await self._show_once("new_key", key.secret)
        await self.load()

    @signed_in
    async def forget_key(self) -> None:
        """Take the shown key from this browser's page."""
        await self._show_once("new_key", "")

    @signed_in
    async def open_revoke(self, key_id: str) -> None:
        """Ask before revoking, saying what will break."""
        user = self._require_user()
        self.confirm_error = ""
        async with unit_of_work() as session:
            found = await service.list_keys(session, user.user_id)
            key = next((key for key in found if key.id == key_id), None)
            if key is None:
                return
            self.revoking_calls = await calls.count_recent_calls(session, user.user_id, key.id)
        self.revoking_id, self.revoking_label = key.id, key.label or key.start or key.id

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


shown_key = ClientStateVar.create("shownKey", default="")
"""The new key while it is on the screen: in this browser's memory, through reconnects too."""
is_copied = ClientStateVar.create("isKeyCopied", default=False)


def keys_page() -> rx.Component:
    """The page itself."""
    return portal_page(
        "Keys",
        notice(KeysState.message),
        notice(KeysState.waiting, tone="warn"),
        rx.cond(
            KeysState.is_loaded,
            rx.cond(KeysState.keys, _key_table(), _no_keys()),
            skeleton("row", "row", "row"),
        ),
        create_dialog(),
        _revoke_dialog(),
        new_key_dialog(),
        purpose="Your programs sign in with these. A key is shown once, when it is made.",
        active="/keys/",
        action=button("Create key", on_click=KeysState.open_create, variant="primary", icon="plus"),
    )


def new_key_dialog() -> rx.Component:
    """The key, once. It stays until it is copied or "Close anyway" is chosen."""
    keep = rx.cond(
        KeysState.new_key != "",
        rx.el.span(key=KeysState.new_key, on_mount=shown_key.set_value(KeysState.new_key)),
    )
    close: Any = [shown_key.set_value(""), is_copied.set_value(False), KeysState.forget_key]
    return rx.fragment(
        keep,
        dialog(
            key_line(shown_key.value, on_copy=is_copied.set_value(True)),
            snippet_tabs(
                screen_snippets(), id="new-key-call", fill={KEY_PLACEHOLDER: shown_key.value}
            ),
            dialog_actions(
                button(
                    rx.cond(is_copied.value, "Done", "Close anyway"),
                    on_click=close,
                    variant="primary",
                )
            ),
            title="Copy your key now",
            description=(
                "This is the only time it is shown: we keep its digest, not the key. "
                "The call below works as it is."
            ),
            open=shown_key.value != "",
            on_open_change=close,
            stays=True,
            wide=True,
        ),
    )


def _key_table() -> rx.Component:
    columns = [
        Column("Name", lambda key: rx.el.strong(key.label)),
        Column("Key", lambda key: mono(key.start + "…")),
        Column("Status", lambda key: key_badge(key.status)),
        Column("Last used", lambda key: relative_time(key.last_used_at)),
        Column("Created", lambda key: relative_time(key.created_at)),
        Column("Actions", _actions, shrink=True, is_label_hidden=True),
    ]
    return table("Your keys", columns, KeysState.keys)


def _actions(key: Any) -> rx.Component:
    revoke = menu_item("Revoke", on_click=KeysState.open_revoke(key.id), danger=True)
    approve = menu_item("Approve", on_click=KeysState.approve_key(key.id))
    return rx.cond(
        key.status == "revoked",
        rx.fragment(),
        menu(
            "Actions for " + key.label,
            [rx.cond(key.status == "pending_verification", approve, rx.fragment()), revoke],
            id="actions-" + key.id,
        ),
    )


def _no_keys() -> rx.Component:
    return empty_state(
        "No keys yet",
        "Make one and your first call is a minute away.",
        action=button("Create key", on_click=KeysState.open_create, icon="plus"),
    )


def create_dialog() -> rx.Component:
    """Asks for the new key's name."""
    return dialog(
        rx.el.form(
            field(
                "label",
                "Name",
                error=KeysState.label_error,
                hint="What uses it, such as production or laptop.",
                prefix="create",
                default_value="default",
                auto_focus=True,
                max_length=service.LONGEST_LABEL,
                auto_complete="off",
            ),
            dialog_actions(dialog_close(), button("Create key", kind="submit", variant="primary")),
            on_submit=KeysState.create_key,
            class_name="stack",
        ),
        title="Create a key",
        description="It works at once and until you revoke it.",
        open=KeysState.is_creating,
        on_open_change=KeysState.close_create,
    )


def _revoke_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            field(
                "confirm",
                "Type the key's name to confirm",
                error=KeysState.confirm_error,
                prefix="revoke",
                auto_complete="off",
            ),
            dialog_actions(
                dialog_close(auto_focus=True),
                button("Revoke key", kind="submit", variant="danger"),
            ),
            on_submit=KeysState.revoke_key,
            class_name="stack",
        ),
        title=f"Revoke {KeysState.revoking_label}",
        description=(
            "Calls with it are refused within a second, for good. "
            f"It made {KeysState.revoking_calls} calls in the last 24 hours."
        ),
        open=KeysState.revoking_id != "",
        on_open_change=KeysState.close_revoke,
    )


def _waiting(keys: Sequence[service.KeySummary], *, is_verified: bool) -> str:
    """What to do about keys that wait for their owner; "" when none does."""
    count = sum(key.status == "pending_verification" for key in keys)
    if not count:
        return ""
    subject = "1 key waits" if count == 1 else f"{count} keys wait"
    if is_verified:
        return f"{subject} for you. Approve each one that is yours, and revoke the rest."
    return f"{subject} until your address is verified: sign out, and in again with a mailed link."


def _row(key: service.KeySummary) -> KeyRow:
    return KeyRow(
        id=key.id,
        label=key.label or "Unnamed",
        start=key.start or "",
        status=key.status,
        created_at=iso(key.created_at),
        last_used_at=iso(key.last_used_at),
        expires_at=iso(key.expires_at),
    )
