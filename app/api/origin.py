"""Who may send what from a browser: the Origin rule for every POST."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.client import asked_name
from app.api.errors import answer, wants_page
from app.core.errors import LatchkeyError
from app.core.settings import LOOPBACK_NAMES, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBHOOKS_PREFIX = "/webhooks/"
MAX_FORM_BYTES = 64 * 1024


class ForeignOrigin(LatchkeyError):
    """The request does not come from a page of ours, or does not say so."""

    status = 403
    code = "foreign_origin"
    title = "Not from this site"
    default_detail = "Open the page itself and try again: this request did not come from it."


class NotASmallForm(LatchkeyError):
    """What came is not a form as our pages send them, or it is too large for one."""

    status = 413
    code = "body_too_large"
    title = "Not a small form"
    default_detail = "Send the page's form itself: urlencoded, with its length, at most 64 KiB."


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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        early = self._answer(request)
        if early is not None:
            await early(scope, receive, send)
            return
        asked_host = request.headers.get("host", "")
        await self._app(scope, receive, _without_host(send, asked_host))

    def _answer(self, request: Request) -> Response | None:
        if request.method not in SAFE_METHODS:
            if request.scope["path"].startswith(WEBHOOKS_PREFIX):
                return None
            if request.headers.getlist("origin") != [self._settings.public_url]:
                return answer(request, ForeignOrigin())
            return None if _is_small_form(request) else answer(request, NotASmallForm())
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


def _is_small_form(request: Request) -> bool:
    """Whether the body is bounded before it is read; multipart parts would go to the disk."""
    headers = request.headers
    length = headers.get("content-length", "0")
    is_bounded = "transfer-encoding" not in headers and length.isdigit()
    is_multipart = headers.get("content-type", "").lower().startswith("multipart/")
    return is_bounded and int(length) <= MAX_FORM_BYTES and not is_multipart


def _without_host(send: Send, host: str) -> Send:
    """Redirects to the very host that was asked for, made relative.

    The pages' files redirect to the host and scheme that they were asked by: behind TLS that
    is the wrong scheme, and a forged Host would lead elsewhere.
    """

    async def send_relative(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, _relative(name, value, host)) for name, value in message["headers"]]
            message = {**message, "headers": headers}
        await send(message)

    return send_relative


def _relative(name: bytes, value: bytes, host: str) -> bytes:
    if name.lower() != b"location":
        return value
    parts = urlsplit(value.decode("latin-1"))
    if parts.netloc != host:
        return value
    local = parts._replace(scheme="", netloc="", path="/" + parts.path.lstrip("/"))
    return local.geturl().encode("latin-1")
