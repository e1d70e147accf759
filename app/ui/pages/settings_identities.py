"""The section of the settings about the providers that sign in to the account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import reflex as rx

from app.accounts.identities import ConnectedIdentity, disconnect, list_identities
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.core.settings import get_settings
from app.integrations.oauth import Offer, list_offers
from app.ui.components import badge, button, form_button, notice
from app.ui.guard import signed_in
from app.ui.state import PortalState

CONNECTED, FREE = "connected", "free"


@dataclass(frozen=True)
class IdentityRow:
    """A provider as the section shows it: connected, with the identity's id, or free to be."""

    id: str
    name: str
    label: str
    status: str


class IdentitiesState(PortalState):
    """The account's identities, and the providers that could be connected."""

    rows: list[IdentityRow] = []
    message: str = ""
    problem: str = ""

    @signed_in
    async def enter(self) -> None:
        """Begin the section anew: no message of an earlier visit stays."""
        self.message = self.problem = ""
        await self.load()

    @signed_in
    async def load(self) -> None:
        """Show what is connected, and what could be."""
        user = self._require_user()
        async with unit_of_work() as session:
            found = await list_identities(session, user.user_id)
        self.rows = _rows(found)

    @signed_in
    async def disconnect(self, identity_id: str) -> None:
        """Let the identity sign in no more."""
        user = self._require_user()
        self.message = self.problem = ""
        label = next((row.label for row in self.rows if row.id == identity_id), "It")
        try:
            async with unit_of_work() as session:
                await disconnect(session, user.user_id, str(identity_id))
            self.message = f"{label} no longer signs in to this account."
        except LatchkeyError as error:
            self.problem = error.detail
        await self.load()


def identities_section() -> rx.Component:
    """Each provider on a line, with its one action; nothing where there is no provider."""
    return rx.cond(
        IdentitiesState.rows,
        rx.el.section(
            rx.el.h2("Sign-in providers"),
            rx.el.div(
                notice(IdentitiesState.message),
                notice(IdentitiesState.problem, tone="bad"),
                rx.el.ul(rx.foreach(IdentitiesState.rows, _line), class_name="stack"),
            ),
            class_name="card stack",
            aria_label="Sign-in providers",
        ),
    )


def _line(row: Any) -> rx.Component:
    return rx.el.li(
        rx.el.span(
            rx.el.strong(row.label),
            rx.cond(row.status == CONNECTED, badge("Connected", "ok")),
            class_name="row",
        ),
        rx.cond(
            row.status == CONNECTED,
            button(
                "Disconnect",
                on_click=IdentitiesState.disconnect(row.id),
                aria_label="Disconnect " + row.label,
            ),
            form_button("Connect", "/auth/oauth/" + row.name + "/connect", variant="secondary"),
        ),
        class_name="row row-between",
    )


def _rows(found: Sequence[ConnectedIdentity]) -> list[IdentityRow]:
    """What is connected, then what could be."""
    offers = {offer.stored_name: offer for offer in list_offers(get_settings())}
    taken = {one.provider for one in found}
    return [
        *(IdentityRow(one.id, "", _label(one.provider, offers), CONNECTED) for one in found),
        *(
            IdentityRow("", offer.name, offer.label, FREE)
            for offer in offers.values()
            if offer.stored_name not in taken
        ),
    ]


def _label(stored: str, offers: Mapping[str, Offer]) -> str:
    """How the provider is called; of one that is configured no more, its host."""
    if stored in offers:
        return offers[stored].label
    return urlsplit(stored.removeprefix("oidc:")).hostname or stored.capitalize()
