"""Reflex's settings, taken from ours."""

import reflex as rx
from reflex.constants import StateManagerMode

from app.core.settings import get_settings
from app.ui.plugin import SameOriginPlugin

settings = get_settings()

config = rx.Config(
    app_name="app",
    deploy_url=settings.public_url,
    cors_allowed_origins=[settings.public_url],
    redis_url=settings.redis_url,
    # state never touches the disk; several processes share it through Redis
    state_manager_mode=StateManagerMode.REDIS if settings.redis_url else StateManagerMode.MEMORY,
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[
        rx.plugins.SitemapPlugin(trailing_slash="always"),
        SameOriginPlugin(),
    ],
)
