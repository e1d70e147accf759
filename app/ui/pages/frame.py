"""The frame of every signed-in page: nothing guarded is in the prerendered HTML."""

import reflex as rx

from app.ui.components import button, link_button, notice
from app.ui.layouts import portal_layout
from app.ui.state import PortalState


def portal_page(
    title: str,
    *children: rx.Component,
    purpose: str,
    active: str,
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
            *children,
            title=title,
            purpose=purpose,
            active=active,
            email=PortalState.email,
            action=action,
        ),
        rx.el.main(rx.el.h1(title, class_name="sr-only"), id="main", tab_index=-1),
    )
