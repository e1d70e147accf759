"""The frame of every signed-in page: nothing guarded is in the prerendered HTML."""

import reflex as rx

from app.ui.components import button, notice
from app.ui.layouts import portal_layout
from app.ui.state import PortalState


def portal_page(
    title: str,
    *children: rx.Component,
    purpose: str,
    active: str,
    action: rx.Component | None = None,
) -> rx.Component:
    """A signed-in page: the layout, the failure banner, then `children`."""
    return rx.cond(
        PortalState.is_signed_in,
        portal_layout(
            notice(
                PortalState.failure,
                tone="bad",
                action=button("Dismiss", on_click=PortalState.dismiss_failure, variant="quiet"),
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
