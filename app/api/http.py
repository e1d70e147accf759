"""The FastAPI app of the mounted routes, with or without the portal beneath it."""

from fastapi import FastAPI

from app.api import (
    auth,
    dev_mail,
    export,
    health,
    look,
    oauth,
    reference,
    report_key,
    secret_scanning,
    webhooks,
)
from app.api.errors import add_error_handlers


def make_http(*, with_portal: bool) -> FastAPI:
    """The mounted routes; API-only nodes carry health and the API's reference alone."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(health.router)
    app.include_router(reference.router)
    if with_portal:
        app.include_router(auth.router)
        app.include_router(oauth.router)
        app.include_router(dev_mail.router)
        app.include_router(export.router)
        app.include_router(webhooks.router)
        app.include_router(secret_scanning.router)
        app.include_router(report_key.router)
    else:
        app.include_router(look.router)
    add_error_handlers(app)
    return app
