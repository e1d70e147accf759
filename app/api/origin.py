"""Who may send what from a browser: the Origin rule for every POST."""

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import PROBLEM_CONTENT_TYPE, problem_body
from app.core.ids import new_call_id
from app.core.settings import LOOPBACK_NAMES, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBHOOKS_PREFIX = "/webhooks/"


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
        if scope["type"] == "http" and (answer := self._answer(scope)) is not None:
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE_METHODS:
            is_ours = headers.get("origin") == self._settings.public_url
            return None if is_ours or scope["path"].startswith(WEBHOOKS_PREFIX) else _refusal()
        if self._is_other_loopback_name(headers):
            query = scope["query_string"].decode("latin-1")
            target = self._settings.public_url + scope["raw_path"].decode("latin-1")
            return RedirectResponse(f"{target}?{query}" if query else target, status_code=307)
        return None

    def _is_other_loopback_name(self, headers: Headers) -> bool:
        name = headers.get("host", "").rpartition(":")[0].strip("[]")
        wants_page = "text/html" in headers.get("accept", "")
        is_other = name != self._settings.public_host and name in LOOPBACK_NAMES
        return self._settings.is_local and wants_page and is_other


def _refusal() -> Response:
    request_id = new_call_id()
    body = problem_body(
        status=403,
        code="foreign_origin",
        title="Not from this site",
        detail="Open the page itself and try again: this request did not come from it.",
        request_id=request_id,
    )
    return Response(body, 403, {"x-request-id": request_id}, media_type=PROBLEM_CONTENT_TYPE)
