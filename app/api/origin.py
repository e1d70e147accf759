"""Who may send what from a browser: the Origin rule for every POST."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.client import asked_name
from app.api.errors import answer, wants_page
from app.core.errors import LatchkeyError
from app.core.settings import LOOPBACK_NAMES, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBHOOKS_PREFIX = "/webhooks/"


class ForeignOrigin(LatchkeyError):
    """The request does not come from a page of ours, or does not say so."""

    status = 403
    code = "foreign_origin"
    title = "Not from this site"
    default_detail = "Open the page itself and try again: this request did not come from it."


class OriginGuard:
    """Refuses what changes something unless `Origin` equals `PUBLIC_URL` (403).

    Webhooks carry a signature instead. On a machine of one's own, a page asked for under
    another loopback name is sent on to `PUBLIC_URL`, where its cookies and socket work.
    """

    def __init__(self, app: ASGIApp, settings: Settings):
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and (early := self._answer(Request(scope))) is not None:
            await early(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        if request.method not in SAFE_METHODS:
            is_ours = request.headers.get("origin") == self._settings.public_url
            is_signed = request.scope["path"].startswith(WEBHOOKS_PREFIX)
            return None if is_ours or is_signed else answer(request, ForeignOrigin())
        if self._is_other_loopback_name(request):
            return self._send_on(request.scope)
        return None

    def _is_other_loopback_name(self, request: Request) -> bool:
        name = asked_name(request)
        is_other = name != self._settings.public_host and name in LOOPBACK_NAMES
        return self._settings.is_local and is_other and wants_page(request)

    def _send_on(self, scope: Scope) -> Response | None:
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        if not path.startswith("/"):
            # right behind our name, such a path could make another name of it
            return None
        target = self._settings.public_url + path
        return RedirectResponse(f"{target}?{query}" if query else target, status_code=307)
