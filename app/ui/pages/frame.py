"""The frame of every signed-in page: nothing guarded is in the prerendered HTML."""

import reflex as rx

from app.ui.components import banner, button, hidden_field, link_button, notice, plain_form
from app.ui.components.kinds import Text
from app.ui.layouts import portal_layout
from app.ui.state import PortalState


def portal_page(
    title: Text,
    *children: rx.Component,
    purpose: Text,
    active: str,
    parent: tuple[str, str] | None = None,
    action: rx.Component | None = None,
    pay_action: rx.Component | None = None,
) -> rx.Component:
    """A signed-in page: the layout, the failure banner, what the account must know, `children`.

    `pay_action` stands beside what waits to be paid, in place of the link to the billing page.
    """
    return rx.cond(
        PortalState.is_signed_in,
        portal_layout(
            notice(
                PortalState.failure,
                tone="bad",
                action=button("Dismiss", on_click=PortalState.dismiss_failure, variant="quiet"),
            ),
            notice(PortalState.suspension_alert, tone="bad"),
            notice(
                PortalState.payment_alert,
                tone="warn",
                action=pay_action or link_button("Go to Billing", "/billing/"),
            ),
            rx.cond(PortalState.is_unverified, _verify_address()),
            *children,
            title=title,
            purpose=purpose,
            active=active,
            parent=parent,
            email=PortalState.email,
            action=action,
        ),
        rx.el.main(rx.el.h1(title, class_name="sr-only"), id="main", tab_index=-1),
    )


def _verify_address() -> rx.Component:
    """Why keys are pending, and the way out: a link that is opened in this very browser."""
    words = (
        "Your address is not verified yet, so your keys do not work and no trial can start. We "
        "mail you a link: open it in this browser, while you are signed in."
    )
    ask = plain_form(
        hidden_field("email", PortalState.email),
        hidden_field("next", "/keys/"),
        button("Mail me the link", kind="submit"),
        action="/auth/email",
    )
    return rx.el.div(banner(words, tone="warn", action=ask), class_name="notice")
