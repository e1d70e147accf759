"""Leaving the portal for a page elsewhere, when the server says so."""

import reflex as rx

from app.ui.components.kinds import Text


class _Leave(rx.Component):
    """`assets/components/leave.js`: shows nothing, and goes to `to` once that is not empty."""

    library = "$/public/components/leave.js"
    tag = "Leave"

    to: rx.Var[str]


def leave_for(address: Text) -> rx.Component:
    """Go to this address, with a full page load, as soon as it is not empty."""
    component: rx.Component = _Leave.create(to=address)
    return component
