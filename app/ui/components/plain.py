"""Forms and links that the browser handles by itself, without Reflex in between."""

from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML

from app.ui.components.kinds import Text


class _Form(BaseHTML):  # type: ignore[misc]  # this package of Reflex ships no types
    """Reflex's own form stops every submit that has no handler; this one is left alone."""

    tag = "form"

    method: rx.Var[str]
    action: rx.Var[str]


def plain_form(*children: rx.Component, action: Text, class_name: str = "") -> rx.Component:
    """A form that posts to one of our HTTP routes and follows its answer. Needs no socket."""
    form: rx.Component = _Form.create(
        *children, method="post", action=action, class_name=class_name
    )
    return form


def plain_link(label: Text, href: str, **props: Any) -> rx.Component:
    """A link that loads the document afresh, or moves to an anchor as browsers do."""
    link: rx.Component = rx.el.a(label, href=href, reload_document=True, **props)
    return link
