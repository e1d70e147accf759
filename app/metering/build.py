"""The meter of this installation, made from its settings."""

import importlib
from typing import cast

from app.core.database import database_url, direct_url
from app.core.settings import Settings
from app.metering.asgi import ASGIApp
from app.metering.meter import Meter


class ApiAppUnusable(Exception):
    """API_APP does not lead to an ASGI app; the message says what to mend."""


def build_meter(settings: Settings) -> Meter:
    """The meter around `API_APP`. Raises ApiAppUnusable; touches no database yet."""
    inner = load_api_app(settings.api_app)
    try:
        return Meter(
            inner,
            database_url=database_url,
            direct_url=direct_url,
            max_body_bytes=settings.max_body_bytes,
            trusted_proxy_hops=settings.trusted_proxy_hops,
            record_bodies=settings.record_bodies,
        )
    except ValueError as error:
        raise ApiAppUnusable(f"API_APP={settings.api_app}: {error}") from error


def load_api_app(name: str) -> ASGIApp:
    """The ASGI app that `module:attribute` names. Raises ApiAppUnusable."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ApiAppUnusable(f"API_APP={name} must be like package.module:attribute")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ApiAppUnusable(
            f"API_APP={name}: {module_name} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    app = getattr(module, attribute, None)
    if not callable(app):
        raise ApiAppUnusable(f"API_APP={name}: {module_name} has no ASGI app called {attribute}")
    return cast(ASGIApp, app)
