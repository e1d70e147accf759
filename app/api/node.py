"""An API-only node: the meter and the health routes, without portal, jobs or Reflex."""

from starlette.types import ASGIApp

from app.api.front import Front
from app.api.headers import Headed
from app.api.http import make_http
from app.api.lifetimes import months_ahead, released_database, running, settled_memory
from app.api.metrics import make_metrics
from app.core.logging import configure_logging
from app.core.settings import get_settings
from app.metering.build import build_meter


def make_node() -> ASGIApp:
    """The ASGI callable of `python -m app api`."""
    settings = get_settings()
    configure_logging(settings.log_level)  # a process of its own when there are several
    meter = build_meter(settings)
    rest = Headed(make_http(with_portal=False))
    metrics = Headed(make_metrics(meter, settings))
    resources = [released_database, months_ahead, running(meter), settled_memory]
    return Front(meter, rest, metrics=metrics, resources=resources)
