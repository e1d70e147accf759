"""The address of this installation, as pages and code samples show it."""

from typing import Any

import reflex as rx

from app.core.settings import LOOPBACK_NAMES, get_settings


class _Origin(rx.Component):
    """`assets/components/origin.js`: a text that may follow the browser's address."""

    library = "$/public/components/origin.js"
    tag = "Origin"

    built: rx.Var[str]
    follows: rx.Var[bool]


def origin() -> rx.Component:
    """`PUBLIC_URL`; on loopback, where any port may serve the same pages, the browser's."""
    settings = get_settings()
    props: dict[str, Any] = {
        "built": settings.public_url,
        "follows": settings.public_host in LOOPBACK_NAMES,
    }
    component: rx.Component = _Origin.create(**props)
    return component
