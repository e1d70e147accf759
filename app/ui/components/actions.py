"""What people press: buttons, links that look like buttons, and menus."""

from typing import Any, Literal

import reflex as rx
from reflex.event import EventType

from app.ui.components.kinds import Text, Variant
from app.ui.components.plain import plain_form


def button(
    label: Text,
    *,
    on_click: EventType[()] | None = None,
    variant: Variant = "secondary",
    icon: str = "",
    kind: Literal["button", "submit"] = "button",
    busy: bool | rx.Var[bool] = False,
    disabled: bool | rx.Var[bool] = False,
    wide: bool = False,
    **props: Any,
) -> rx.Component:
    """A button; at most one `primary` a page. `busy` disables it and turns a small wheel.

    `icon` is a Lucide name. Pass `aria_label` when the label alone says too little.
    """
    if on_click is not None:
        props["on_click"] = on_click
    return rx.el.button(
        *([rx.icon(icon, size=16, aria_hidden=True)] if icon else []),
        label,
        type=kind,
        disabled=_either(busy, disabled),
        aria_busy=busy,
        class_name=_classes(variant, wide=wide),
        **props,
    )


def link_button(
    label: Text, href: str | rx.Var[str], *, variant: Variant = "secondary", **props: Any
) -> rx.Component:
    """A link within the portal that looks like a button."""
    return rx.el.a(label, href=href, class_name=_classes(variant), **props)


def form_button(
    label: str, action: Text, *, variant: Variant = "quiet", icon: str = "", wide: bool = False
) -> rx.Component:
    """A button that posts a plain form to one of our HTTP routes, so it needs no socket."""
    return plain_form(
        button(label, variant=variant, icon=icon, kind="submit", wide=wide), action=action
    )


def menu(label: str, items: list[rx.Component], *, id: str | rx.Var[str]) -> rx.Component:  # noqa: A002  # the attribute's name
    """A button with three dots that opens `items` (of `menu_item`) beside it.

    `label` is read aloud ("Actions for production"); `id` is unique on the page. Opening,
    Esc, click outside and the returning focus are the browser's own popover.
    """
    return rx.fragment(
        rx.el.button(
            rx.icon("ellipsis", size=16, aria_hidden=True),
            type="button",
            aria_label=label,
            class_name="button button-quiet button-icon",
            custom_attrs={"popoverTarget": id},
        ),
        rx.el.div(*items, id=id, class_name="menu", custom_attrs={"popover": "auto"}),
    )


def menu_item(
    label: Text,
    *,
    on_click: EventType[()] | None = None,
    href: str | rx.Var[str] = "",
    danger: bool = False,
) -> rx.Component:
    """One choice of a menu: an action, or a link when `href` is given."""
    classes = "menu-danger" if danger else ""
    if not isinstance(href, str) or href:
        return rx.el.a(label, href=href, class_name=classes)
    events: dict[str, Any] = {} if on_click is None else {"on_click": on_click}
    return rx.el.button(label, type="button", class_name=classes, **events)


def _classes(variant: Variant, *, wide: bool = False) -> str:
    return f"button button-{variant}" + (" button-wide" if wide else "")


def _either(first: bool | rx.Var[bool], second: bool | rx.Var[bool]) -> bool | rx.Var[bool]:
    if isinstance(first, bool) and isinstance(second, bool):
        return first or second
    return rx.cond(first, True, second)
