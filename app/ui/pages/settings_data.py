"""The settings page's section "Your data": take it along, or have it deleted with the account."""

from typing import Any

import reflex as rx

from app.accounts.step_up import STEP_UP_MINUTES, StepUpNeeded, is_recent
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest
from app.flows.erasure import begin_erasure
from app.ui.components import (
    banner,
    button,
    dialog,
    dialog_actions,
    dialog_close,
    field,
    link_button,
    plain_link,
)
from app.ui.guard import signed_in
from app.ui.state import PortalState

EXPORT = "/export/account.zip"
SIGN_IN_AGAIN = "/sign-in/?next=/settings/"
GOES = (
    "Your keys stop within a second, and all browsers are signed out.",
    "Your plan ends at once, without money back, and with it your card at the payment provider.",
    "Every call, counter, trial and key is deleted. That takes some minutes, and cannot be undone.",
)
STAYS = (
    "Invoices, with the payment provider: the law asks for them.",
    "For twelve months, a fingerprint (SHA-256) of your address and account for each trial that "
    "you had, so that nobody has the same one twice. It names nobody.",
)


class DataState(PortalState):
    """What the section needs: whether this session is fresh enough, and the open dialog."""

    needs_sign_in: bool = False
    is_asking: bool = False
    is_erased: bool = False
    confirm_error: str = ""

    @signed_in
    async def enter_data(self) -> None:
        """Begin anew: no dialog of an earlier visit stays."""
        user = self._require_user()
        self.is_asking, self.is_erased, self.confirm_error = False, False, ""
        async with unit_of_work() as session:
            self.needs_sign_in = not await is_recent(session, user.session_id)

    @signed_in
    def ask_to_erase(self) -> None:
        """Say what goes and what stays, and ask for the address."""
        self.is_asking, self.confirm_error = True, ""

    @signed_in
    def close_erase(self, is_open: bool = False) -> None:
        """Leave the account as it is."""
        self.is_asking = False

    @signed_in
    async def erase_account(self, form: dict[str, Any]) -> None:
        """Delete the account whose address was typed."""
        user = self._require_user()
        confirm = str(form.get("confirm", ""))
        try:
            async with unit_of_work() as session:
                await begin_erasure(session, user.user_id, user.session_id, confirm=confirm)
        except InvalidRequest as error:
            self.confirm_error = error.fields["confirm"]
        except StepUpNeeded:
            self.is_asking, self.needs_sign_in = False, True
        else:
            self.is_erased = True


def data_section() -> rx.Component:
    """Both acts, with their dialog; or how to sign in again, which both want."""
    return rx.el.section(
        rx.el.h2("Your data"),
        rx.el.p(
            "Everything that we have of you, as a zip of JSON files; or the end of your account. "
            f"Both need a sign-in of the last {STEP_UP_MINUTES} minutes.",
            class_name="muted",
        ),
        rx.cond(DataState.needs_sign_in, _sign_in_again(), _acts()),
        erase_dialog(),
        class_name="card stack",
        aria_label="Your data",
    )


def _acts() -> rx.Component:
    # in a tab of its own, which goes by itself: the socket of this page takes it for leaving
    download = plain_link(
        "Download all", EXPORT, target="_blank", class_name="button button-secondary"
    )
    return rx.el.div(
        download,
        button("Delete account", on_click=DataState.ask_to_erase, variant="danger"),
        class_name="row",
    )


def _sign_in_again() -> rx.Component:
    return banner(
        "You signed in a while ago. Sign in again and come back.",
        action=link_button("Sign in again", SIGN_IN_AGAIN),
    )


def erase_dialog() -> rx.Component:
    """Says what goes and what stays, and wants the address typed; then, that it has begun."""
    return dialog(
        rx.cond(DataState.is_erased, _begun(), _asking()),
        title=rx.cond(DataState.is_erased, "Your account is being deleted", "Delete your account"),
        description=rx.cond(
            DataState.is_erased,
            f"Your keys do not work any more. A mail to {PortalState.email} says when it is done.",
            f"The account of {PortalState.email}, with all that belongs to it.",
        ),
        open=DataState.is_asking,
        on_open_change=DataState.close_erase,
    )


def _asking() -> rx.Component:
    return rx.el.form(
        _list("What goes", GOES),
        _list("What stays", STAYS),
        field(
            "confirm",
            "Type your address to confirm",
            error=DataState.confirm_error,
            prefix="erase",
            auto_complete="off",
            max_length=320,
        ),
        dialog_actions(
            dialog_close(auto_focus=True),
            button("Delete account", kind="submit", variant="danger"),
        ),
        on_submit=DataState.erase_account,
        class_name="stack",
    )


def _begun() -> rx.Component:
    leave = plain_link("Leave", "/", class_name="button button-primary")
    return dialog_actions(leave)


def _list(title: str, items: tuple[str, ...]) -> rx.Component:
    return rx.el.div(
        rx.el.h3(title),
        rx.el.ul(*[rx.el.li(item) for item in items], class_name="points"),
        class_name="stack-s",
    )
