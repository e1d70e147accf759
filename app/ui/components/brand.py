"""The logo and the switch between light and dark."""

import reflex as rx
from reflex.style import color_mode, set_color_mode

_THEMES = (("system", "monitor"), ("light", "sun"), ("dark", "moon"))


def logo(*, size: int = 22) -> rx.Component:
    """The mark: a key whose shaft and bit are an L. Same drawing as `assets/logo.svg`."""
    return rx.el.svg(
        rx.el.svg.circle(cx="9", cy="7.25", r="4.5"),
        rx.el.svg.path(d="M9 11.75V20.75H17M9 16.25H13.5"),
        view_box="0 0 24 24",
        width=str(size),
        height=str(size),
        fill="none",
        stroke="currentColor",
        stroke_width="2.5",
        aria_hidden=True,
    )


def brand_link(href: str = "/") -> rx.Component:
    """The logo with the product's name, leading to the start."""
    return rx.el.a(logo(), "Latchkey", href=href, class_name="brand")


def theme_switch() -> rx.Component:
    """Three buttons: follow the system, light, dark. Kept in this browser only."""
    return rx.el.div(
        *[_theme_button(mode, icon) for mode, icon in _THEMES],
        role="group",
        aria_label="Theme",
        class_name="theme-switch",
    )


def _theme_button(mode: str, icon: str) -> rx.Component:
    return rx.el.button(
        rx.icon(icon, size=14, aria_hidden=True),
        type="button",
        title=f"{mode.capitalize()} theme",
        aria_label=f"{mode.capitalize()} theme",
        aria_pressed=color_mode == mode,
        on_click=set_color_mode(mode),  # type: ignore[arg-type]  # one of the three literals
    )
