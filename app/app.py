"""The composition root: the Reflex app, its pages, and what wraps it."""

from collections.abc import Sequence

import reflex as rx
from starlette.types import ASGIApp

from app.api.cookies import session_cookie_name
from app.api.front import Front
from app.api.headers import Headed
from app.api.http import make_http
from app.api.lifetimes import months_ahead, released_database, running, settled_memory
from app.api.metrics import make_metrics
from app.api.origin import OriginGuard
from app.api.sandbox import BesideSandbox
from app.billing.prices import CURRENCY, list_prices
from app.core.logging import configure_logging
from app.core.sandbox_secret import sandbox_api_key, sandbox_webhook_secret
from app.core.settings import ROOT, get_settings
from app.jobs.app import running_jobs
from app.metering.build import build_meter
from app.sandbox import API_PREFIX, Sandbox, SandboxPrice, make_sandbox
from app.ui.build import PAGES
from app.ui.guard import EventGuard, SocketGuard
from app.ui.page_policy import page_policy
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
    metrics = Headed(make_metrics(meter, settings))
    portal: ASGIApp
    if settings.has_sandbox:
        sandbox = _sandbox()
        portal = BesideSandbox(app(), sandbox, settings, api_prefix=API_PREFIX)
        resources.insert(1, sandbox.running)
    else:
        portal = OriginGuard(app(), settings)
    portal = Headed(portal, page_policy=page_policy(ROOT / PAGES))
    return Front(meter, portal, metrics=metrics, resources=resources)


def _sandbox() -> Sandbox:
    """The server that stands in for Stripe, on this machine."""
    return make_sandbox(
        prices=_sandbox_prices(),
        public_url=settings.public_url,
        api_key=sandbox_api_key(),
        webhook_url=f"{settings.own_url}/webhooks/stripe",
        webhook_secret=sandbox_webhook_secret(),
    )


def _sandbox_prices() -> Sequence[SandboxPrice]:
    """What the sandbox sells: all plans, under the ids that they have or would have at Stripe."""
    return [
        SandboxPrice(price.id, price.tier.name, price.unit_amount, CURRENCY, price.interval)
        for price in list_prices()
    ]
