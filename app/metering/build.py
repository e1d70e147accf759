"""The meter of this installation, made from its settings."""

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from app.core.database import database_url, direct_url
from app.core.secret_key import make_cipher
from app.core.settings import Settings
from app.metering.asgi import ASGIApp
from app.metering.meter import Meter
from app.metering.openapi_file import read_openapi
from app.metering.proxy import Proxy
from app.metering.routes import description_of
from app.metering.upstream import Upstream


class ApiUnusable(Exception):
    """The API cannot be metered: a setting, which the message names, leads to nothing usable."""


def build_meter(settings: Settings) -> Meter:
    """The meter around `API_APP` or `API_UPSTREAM`. Raises ApiUnusable; connects to nothing yet."""
    if settings.api_upstream:
        inner: ASGIApp = build_proxy(settings, settings.api_upstream)
        described_by = f"API_OPENAPI={settings.api_openapi}"
    else:
        inner = load_api_app(settings.api_app)
        described_by = f"API_APP={settings.api_app}"
    try:
        return Meter(
            inner,
            database_url=database_url,
            direct_url=direct_url,
            cipher=partial(make_cipher, settings, "kept answers"),
            max_body_bytes=settings.max_body_bytes,
            trusted_proxy_hops=settings.trusted_proxy_hops,
            record_bodies=settings.record_bodies,
            root_keys=settings.root_key_digests,
        )
    except ValueError as error:
        raise ApiUnusable(f"{described_by}: {error}") from error


def build_proxy(settings: Settings, url: str) -> Proxy:
    """The proxy to this upstream, described by `API_OPENAPI`. Raises ApiUnusable."""
    return Proxy(
        Upstream(url),
        public_url=settings.public_url,
        proxy_hops=settings.trusted_proxy_hops,
        openapi=_read_api_openapi(settings),
    )


def describe_api(settings: Settings) -> Mapping[str, Any]:
    """The OpenAPI document of the API that is metered, as it is; {} where it has none.

    Raises ApiUnusable.
    """
    if settings.api_upstream:
        return _read_api_openapi(settings)
    return description_of(load_api_app(settings.api_app))


def _read_api_openapi(settings: Settings) -> Mapping[str, Any]:
    if settings.api_openapi is None:
        return {}
    try:
        return read_openapi(settings.api_openapi)
    except ValueError as error:
        raise ApiUnusable(f"API_OPENAPI={settings.api_openapi} {error}") from error


def load_api_app(name: str) -> ASGIApp:
    """The ASGI app that `module:attribute` names. Raises ApiUnusable."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ApiUnusable(f"API_APP={name} must be like package.module:attribute")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ApiUnusable(
            f"API_APP={name}: {module_name} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    app = getattr(module, attribute, None)
    if not callable(app):
        raise ApiUnusable(f"API_APP={name}: {module_name} has no ASGI app called {attribute}")
    return cast(ASGIApp, app)
