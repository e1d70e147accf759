"""The composition root: the Reflex app, its pages, and what wraps it."""

import reflex as rx
from starlette.types import ASGIApp

from app.api.cookies import session_cookie_name
from app.api.front import Front
from app.api.http import make_http
from app.api.lifetimes import months_ahead, released_database, running, settled_memory
from app.api.metrics import make_metrics
from app.api.origin import OriginGuard
from app.core.logging import configure_logging
from app.core.settings import get_settings
from app.jobs.app import running_jobs
from app.metering.build import build_meter
from app.ui.guard import EventGuard, SocketGuard
from app.ui.site import add_pages
from app.ui.state import answer_failure
from app.ui.theme import app_look

settings = get_settings()


def _guard_socket(reflex_app: ASGIApp) -> ASGIApp:
    return SocketGuard(reflex_app, settings, cookie_name=session_cookie_name(settings))


app = rx.App(
    **app_look(),
    api_transformer=[make_http(with_portal=True), _guard_socket],
    backend_exception_handler=answer_failure,
)
app.add_middleware(EventGuard())
add_pages(app)


def make_portal() -> ASGIApp:
    """Everything on one port: meter first, then routes, pages and sockets; jobs beside them."""
    configure_logging(settings.log_level)  # a process of its own when there are several
    meter = build_meter(settings)
    resources = [released_database, months_ahead, running_jobs, running(meter), settled_memory]
    metrics = make_metrics(meter, settings)
    return Front(meter, OriginGuard(app(), settings), metrics=metrics, resources=resources)
