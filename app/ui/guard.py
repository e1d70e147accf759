"""What stands between a browser's socket and every event handler.

Reflex lets any client call any handler with any arguments, keeps the raw cookie with the
state, and treats the client token in the socket's address as a key to that state. Here:

- a socket needs our `Origin`;
- the cookie header is replaced by the digest of a live session, or by nothing;
- the state's key is derived from the client token *and* that digest, so a stolen token
  leads to an empty state of the thief's own;
- every event is refused unless its handler is declared `public` or `signed_in`, and the
  session row is looked up again for each, so revocation stops an open socket.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import reflex as rx
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event, EventSpec
from reflex_base.registry import RegistrationContext
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.accounts.addresses import safe_next
from app.accounts.sessions import CurrentUser, find_session
from app.core.crypto import sha256_hex
from app.core.database import unit_of_work
from app.core.settings import Settings

Access = Literal["public", "signed_in"]

SIGN_IN = "/sign-in/"
DIGEST_COOKIE = "session-digest"
KEPT = frozenset(
    {b"host", b"origin", b"user-agent", b"upgrade", b"connection", b"sec-websocket-protocol"}
)
"""The handshake's headers that Reflex is given: it keeps all that it gets with the state."""
LONGEST_HEADER = 500
_ROOT = "reflex___state____state"
_ON_LOAD = f"{_ROOT}.reflex___state____on_load_internal_state"
NAVIGATION_EVENTS = frozenset(
    {
        f"{_ROOT}.set_is_hydrated",
        f"{_ON_LOAD}.on_load_internal",
        f"{_ON_LOAD}.set_is_hydrated",
    }
)
"""Reflex's own events of every page change. They show nothing; the `on_load` handlers that
they start pass this guard one by one."""
FRAMEWORK_EVENTS = NAVIGATION_EVENTS | {f"{_ROOT}.hydrate", f"{_ROOT}.hydrate_and_load"}
"""With the two that a fresh socket begins with, which send the browser its own state."""

logger = logging.getLogger(__name__)
_caller: ContextVar[CurrentUser | None] = ContextVar("caller", default=None)


class NotSignedIn(Exception):
    """A handler asked for the caller where there is none."""


# Any: seen from its class a handler is an event, from an instance it is a method
def public(handler: Callable[..., Any]) -> Any:
    """Declare that anyone may call this event handler."""
    return _declare(handler, "public")


def signed_in(handler: Callable[..., Any]) -> Any:
    """Declare that only a browser with a live session may call this event handler."""
    return _declare(handler, "signed_in")


def access_of(event_name: str) -> Access | None:
    """Who may call the event: what its handler declares; None means nobody."""
    if event_name in FRAMEWORK_EVENTS:
        return "public"
    registered = RegistrationContext.get().event_handlers.get(event_name)
    access: Access | None = getattr(registered and registered.handler.fn, "_access", None)
    return access


def find_caller() -> CurrentUser | None:
    """The signed-in person whose event is being handled, or None: for `public` handlers."""
    return _caller.get()


def require_caller() -> CurrentUser:
    """The signed-in person whose event is being handled. Raises NotSignedIn."""
    caller = find_caller()
    if caller is None:
        raise NotSignedIn
    return caller


class SocketGuard:
    """The ASGI wrapper around Reflex: nothing of the cookie but a digest gets past it."""

    def __init__(self, app: ASGIApp, settings: Settings, *, cookie_name: str):
        self._app = app
        self._origin = settings.public_url
        self._cookie_name = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"origin", b"").decode("latin-1") != self._origin:
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(await self._bound(scope), text_only(receive), send)

    async def _bound(self, scope: Scope) -> Scope:
        """The scope with the digest in place of the cookie, and the state bound to it."""
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        digest = await self._live_digest(b"; ".join(cookies).decode("latin-1"))
        kept = [(name, value[:LONGEST_HEADER]) for name, value in scope["headers"] if name in KEPT]
        query = [
            (name, sha256_hex(f"{value} {digest}") if name == "token" else value)
            for name, value in parse_qsl(scope["query_string"].decode("latin-1"))
        ]
        digest_cookie = (b"cookie", f"{DIGEST_COOKIE}={digest}".encode())
        return {
            **scope,
            "headers": [*kept, digest_cookie],
            "query_string": urlencode(query).encode(),
        }

    async def _live_digest(self, cookie_header: str) -> str:
        token = cookie_parser(cookie_header).get(self._cookie_name)
        if not token:
            return ""
        digest = sha256_hex(token)
        return digest if await _find_caller(digest) else ""


def text_only(receive: Receive) -> Receive:
    """The socket's messages, until one is binary: those our pages never send.

    Announced attachments (packets 45 and 46) would be gathered without a bound.
    """

    async def receive_text() -> Message:
        message = await receive()
        is_attachment = (message.get("text") or "").startswith(("45", "46"))
        if message.get("bytes") is not None or is_attachment:
            return {"type": "websocket.disconnect", "code": 1003}
        return message

    return receive_text


class EventGuard(Middleware):
    """Runs before every event: declared, and allowed for this caller, or not at all."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """None lets the event through; an update refuses it and sends the browser to sign in."""
        access = access_of(event.name)
        digest = _session_digest(state)
        caller = await _find_caller(digest) if digest else None
        _caller.set(caller)
        # a socket outlives its session: then it may still change pages, so as to reach sign-in
        has_ended = bool(digest) and caller is None and event.name not in NAVIGATION_EVENTS
        if has_ended or (access == "signed_in" and caller is None):
            return StateUpdate(events=Event.from_event_type(_to_sign_in(state)))
        if access is None:
            logger.warning("Refused an event that no handler declares: %.200r", event.name)
            return StateUpdate()
        return None


def _declare(handler: Callable[..., Any], access: Access) -> Callable[..., Any]:
    handler._access = access  # type: ignore[attr-defined]  # functions carry attributes
    return handler


def _to_sign_in(state: BaseState) -> EventSpec:
    # the path is the browser's word: it only ever returns that same browser to our own pages
    here = safe_next(str(state.router_data.get("asPath", "")))
    return rx.redirect(f"{SIGN_IN}?{urlencode({'next': here})}", replace=True)


def _session_digest(state: BaseState) -> str:
    headers = state.router_data.get("headers", {})
    digest: str = cookie_parser(headers.get("cookie", "")).get(DIGEST_COOKIE, "")
    return digest


async def _find_caller(digest: str) -> CurrentUser | None:
    async with unit_of_work() as session:
        return await find_session(session, digest)
