"""Where the billing sandbox lies beside the portal, and who reaches it."""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.origin import OriginGuard
from app.api.this_machine import is_from_here
from app.core.settings import Settings

PAGES_PREFIX = "/sandbox/"


class BesideSandbox:
    """The portal behind its Origin rule, and the sandbox where the settings have one.

    The sandbox's pages are behind the rule too; its API, under `api_prefix`, asks for a key
    instead. To whoever may not see the sandbox there is none: the portal answers.
    """

    def __init__(self, portal: ASGIApp, sandbox: ASGIApp, settings: Settings, *, api_prefix: str):
        self._guarded = OriginGuard(self._choose, settings)
        self._portal = portal
        self._sandbox = sandbox
        self._settings = settings
        self._api_prefix = f"{api_prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        is_api = scope["type"] == "http" and scope["path"].startswith(self._api_prefix)
        if is_api and self._is_open_to(scope):
            await self._sandbox(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _choose(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"].startswith(PAGES_PREFIX)
        inner = self._sandbox if is_page and self._is_open_to(scope) else self._portal
        await inner(scope, receive, send)

    def _is_open_to(self, scope: Scope) -> bool:
        """Only to this machine's user, unless the sandbox was asked for by name."""
        settings = self._settings
        if not settings.has_sandbox:
            return False
        return settings.billing_sandbox == "on" or is_from_here(HTTPConnection(scope), settings)
