"""How every page is dressed: stylesheets, the head, titles, and what wraps the whole app.

Colours, spacing and type are CSS variables in `assets/latchkey.css`, because the plain
HTML pages of `app/api` wear them too; components name classes and hold no colours.
"""

from typing import Any

import reflex as rx

from app.core.assets import asset_url
from app.core.settings import get_settings
from app.ui.components.connection import connection_notice
from app.ui.components.crash import crash_boundary
from app.ui.components.kinds import Text

PRODUCT = "Latchkey"
"""The name that stands in titles and in the header."""


def app_look() -> dict[str, Any]:
    """Keyword arguments for `rx.App`: head, error page, connection notice, no Reflex toasts.

    Toasts are left out because the server can only raise them by evaluating scripts,
    which a strict content security policy refuses.
    """
    return {
        "html_lang": "en",
        "reset_style": False,
        "toaster": None,
        "head_components": _head(),
        "app_wraps": {
            (55, "ErrorBoundary"): lambda _stateful: crash_boundary(),
            (5, "Overlay"): lambda stateful: connection_notice() if stateful else None,
        },
    }


def page_look(route: str, *, title: Text, description: str, public: bool = False) -> dict[str, Any]:
    """Keyword arguments for `app.add_page`: route, title, description, og: tags, canonical.

    A page that is not `public` stays out of the sitemap and asks robots not to list it. One
    whose route has a part in brackets has no address of its own to name.
    """
    is_brand = isinstance(title, str) and title.startswith(PRODUCT)
    full_title = title if is_brand else f"{title} · {PRODUCT}"
    origin = get_settings().public_url
    address = f"{origin}{route.rstrip('/')}/"
    meta: list[Any] = [
        {"property": "og:title", "content": full_title},
        {"property": "og:description", "content": description},
        {"property": "og:type", "content": "website"},
        {"property": "og:site_name", "content": PRODUCT},
        {"name": "twitter:card", "content": "summary_large_image"},
    ]
    if "[" not in route:
        meta.append({"property": "og:url", "content": address})
        meta.append(rx.el.link(rel="canonical", href=address))
    if not public:
        meta.append({"name": "robots", "content": "noindex"})
    return {
        "route": route,
        "title": full_title,
        "description": description,
        "image": f"{origin}/og.png",
        "meta": meta,
        "context": None if public else {"sitemap": None},
    }


def _head() -> list[rx.Component]:
    """What stands in every page's head: the two stylesheets, the script, the icons."""
    font = {"as": "font", "crossOrigin": "anonymous"}
    return [
        rx.el.link(
            rel="preload", href="/fonts/inter-latin.woff2", type="font/woff2", custom_attrs=font
        ),
        rx.el.link(rel="stylesheet", href=asset_url("latchkey.css")),
        rx.el.link(rel="stylesheet", href=asset_url("portal.css")),
        rx.el.script(src=asset_url("latchkey.js"), defer=True),
        rx.el.link(rel="icon", href="/favicon.ico", sizes="32x32"),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="apple-touch-icon", href="/apple-touch-icon.png"),
        rx.el.meta(name="color-scheme", content="light dark"),
    ]
