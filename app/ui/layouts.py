"""The two frames of every page: the public site, and the signed-in portal."""

import reflex as rx

from app.ui.components.actions import button, form_button, link_button
from app.ui.components.brand import brand_link, theme_switch
from app.ui.components.kinds import Text
from app.ui.components.plain import plain_link

PORTAL_NAV = (
    ("Overview", "/overview/", "layout-dashboard"),
    ("Keys", "/keys/", "key-round"),
    ("Trials", "/trials/", "flask-conical"),
    ("Logs", "/logs/", "scroll-text"),
    ("Billing", "/billing/", "credit-card"),
    ("Settings", "/settings/", "settings"),
)
"""Label, address and Lucide icon of each signed-in page that exists."""

_MENU_ID = "portal-menu"


def public_layout(
    *children: rx.Component | Text, active: str = "", is_narrow: bool = False
) -> rx.Component:
    """Header, `main`, footer. `active` is the current page's address ("/docs/").

    `is_narrow` is for forms: smaller type, one column in the middle.
    """
    return rx.el.div(
        _skip_link(),
        _site_header(active),
        rx.el.main(*children, id="main", tab_index=-1),
        _site_footer(),
        class_name="public narrow" if is_narrow else "public",
    )


def portal_layout(
    *children: rx.Component | Text,
    title: Text,
    purpose: Text,
    active: str,
    email: Text,
    action: rx.Component | None = None,
    parent: tuple[str, str] | None = None,
) -> rx.Component:
    """Sidebar (a menu on small screens), then title, purpose and primary action, then content.

    `active` is the current page's address as in `PORTAL_NAV`; `email` is the signed-in
    person's address; `purpose` says in one line what the page is for; `parent` is the page above
    it, by name and address, where `active` is that one.
    """
    return rx.el.div(
        _skip_link(),
        _topbar(active, email),
        rx.el.aside(
            rx.el.div(
                brand_link("/overview/"),
                _portal_nav(active),
                rx.el.div(*_account(email), class_name="sidebar-foot"),
            ),
            aria_label="Sidebar",
            class_name="sidebar",
        ),
        rx.el.main(_page_head(title, purpose, action, parent), *children, id="main", tab_index=-1),
        class_name="portal",
    )


def _skip_link() -> rx.Component:
    return plain_link("Skip to content", "#main", class_name="skip-link")


def _site_header(active: str) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            brand_link(),
            rx.el.nav(
                _text_link("Docs", "/docs/", active),
                _text_link("Pricing", "/pricing/", active),
                aria_label="Site",
                class_name="site-nav",
            ),
            rx.el.div(
                _text_link("Sign in", "/sign-in/", active),
                rx.el.div(
                    link_button("Get a key", "/sign-up/", variant="secondary"),
                    class_name="wide-only",
                ),
                class_name="site-nav site-nav-end",
            ),
            class_name="wrap",
        ),
        class_name="site-header",
    )


def _site_footer() -> rx.Component:
    return rx.el.footer(
        rx.el.div(
            rx.el.nav(
                *[
                    _text_link(label, address, "")
                    for label, address in (
                        ("Quick start", "/docs/"),
                        ("Error codes", "/docs/errors/"),
                        ("Pricing", "/pricing/"),
                        ("Report an exposed key", "/report-key"),
                    )
                ],
                aria_label="Footer",
                class_name="row",
            ),
            theme_switch(),
            class_name="wrap",
        ),
        class_name="site-footer",
    )


def _text_link(label: str, address: str, active: str) -> rx.Component:
    current = {"aria_current": "page"} if address == active else {}
    return rx.el.a(label, href=address, class_name="text-link", **current)


def _portal_nav(active: str) -> rx.Component:
    return rx.el.nav(
        rx.el.ul(*[_nav_item(*item, active) for item in PORTAL_NAV], class_name="nav-list"),
        aria_label="Portal",
    )


def _nav_item(label: str, address: str, icon: str, active: str) -> rx.Component:
    current = {"aria_current": "page"} if address == active else {}
    return rx.el.li(
        rx.el.a(rx.icon(icon, size=16, aria_hidden=True), label, href=address, **current)
    )


def _account(email: Text) -> list[rx.Component]:
    return [
        rx.el.p(email, title=email, class_name="account"),
        rx.el.div(
            form_button("Sign out", "/auth/sign-out", variant="secondary"),
            theme_switch(),
            class_name="row row-between",
        ),
    ]


def _topbar(active: str, email: Text) -> rx.Component:
    """The small screen's bar; its menu is the browser's own popover, so Esc closes it."""
    return rx.el.header(
        brand_link("/overview/"),
        button("Menu", variant="quiet", icon="menu", custom_attrs={"popoverTarget": _MENU_ID}),
        rx.el.div(
            _portal_nav(active),
            rx.el.div(*_account(email), class_name="sidebar-foot"),
            id=_MENU_ID,
            class_name="sheet",
            custom_attrs={"popover": "auto"},
        ),
        class_name="topbar",
    )


def _page_head(
    title: Text, purpose: Text, action: rx.Component | None, parent: tuple[str, str] | None
) -> rx.Component:
    above = [rx.el.a(parent[0], href=parent[1], class_name="crumb")] if parent else []
    return rx.el.div(
        rx.el.div(*above, rx.el.h1(title), rx.el.p(purpose)),
        *([action] if action is not None else []),
        class_name="page-head",
    )
