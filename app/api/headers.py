"""What every answer of the portal tells the browser that it may do with it."""

from collections.abc import Mapping
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.assets import ASSETS, asset_url
from app.core.headers import NO_STORE

IMMUTABLE = "public, max-age=31536000, immutable"
HASHED_PREFIX = "/assets/"
"""Where the files lie whose names carry the mark of their content."""

_REVALIDATED = "no-cache"
_KEPT_AN_HOUR = "public, max-age=3600"
_SOUND = frozenset({200, 206, 304})
_NOT_MODIFIED = 304


class Headed:
    """Gives the answers behind it the headers that they do not have themselves.

    `page_policy` is the content security policy of pages that bring none: those that are built.
    What the server says with every answer (`app.core.headers`) is not repeated.
    """

    def __init__(self, app: ASGIApp, *, page_policy: str = ""):
        self._app = app
        self._page_policy = page_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""

        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(scope, message)
            await send(message)

        await self._app(scope, receive, send_headed if scope["type"] == "http" else send)

    def _complete(self, scope: Scope, message: Message) -> None:
        status = message["status"]
        message["headers"] = list(message.get("headers", ()))
        headers = MutableHeaders(raw=message["headers"])
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("cache-control", _caching(scope, status, headers))
        # to one that has not changed the browser gives this answer's policies, not those it had
        is_unchanged = status == _NOT_MODIFIED and _is_page(scope["path"])
        if self._page_policy and (is_unchanged or _is_html(headers)):
            headers.setdefault("content-security-policy", self._page_policy)


def _is_html(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").startswith("text/html")


def _caching(scope: Scope, status: int, headers: Mapping[str, str]) -> str:
    """For how long this may be kept: files as long as their address means the same."""
    if "etag" not in headers:
        return NO_STORE
    if status not in _SOUND or _is_page(scope["path"]):
        return _REVALIDATED
    is_hashed = scope["path"].startswith(HASHED_PREFIX) or _is_marked(scope)
    return IMMUTABLE if is_hashed else _KEPT_AN_HOUR


def _is_page(path: str) -> bool:
    return "." not in path.rpartition("/")[2]


def _is_marked(scope: Scope) -> bool:
    """Whether the address carries the mark of the very file that is served."""
    query = scope["query_string"].decode("latin-1")
    return bool(query) and f"{scope['path']}?{query}" in _marked_addresses()


@lru_cache(maxsize=1)
def _marked_addresses() -> frozenset[str]:
    return frozenset(asset_url(path.name) for path in ASSETS.iterdir() if path.is_file())
