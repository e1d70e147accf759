"""The API behind API_UPSTREAM, as an ASGI app: the meter stands before it as before any other."""

import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from app.core.errors import LatchkeyError, NotFound
from app.core.ids import new_call_id
from app.metering.answer import HELD_BYTES
from app.metering.asgi import Headers, Receive, Scope, Send
from app.metering.problems import MethodNotAllowed, UpstreamError, UpstreamTimeout
from app.metering.proxy_headers import (
    answer_headers,
    caller_headers,
    declared_length,
    forwarding_headers,
    request_headers,
    units_in,
)
from app.metering.proxy_paths import is_forwarded, target_of
from app.metering.relay import pass_parts_on, read_whole, while_client_waits
from app.metering.replies import send_problem
from app.metering.upstream import Question, Upstream, UpstreamAnswer

logger = logging.getLogger(__name__)

_NEVER_FORWARDED = frozenset({"CONNECT", "TRACE"})


class Proxy:
    """Forwards requests to one upstream, the full path appended to its URL.

    Answers that declare at most HELD_BYTES are read whole first, so that one that breaks off
    becomes a 502; all others pass part by part, and one that breaks off raises UpstreamCut,
    at which the server cuts the connection: the client notices. Nothing larger than a part
    is held. Request bodies are taken whole, as the meter has read them already.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        public_url: str,
        proxy_hops: int = 0,
        openapi: Mapping[str, Any] | None = None,
    ) -> None:
        """`proxy_hops` are the trusted proxies before us; `openapi` describes the upstream."""
        self._upstream = upstream
        self._openapi = openapi or {}
        self._hops = proxy_hops
        public = urlsplit(public_url)
        self._scheme, self._host = public.scheme.encode(), public.netloc.encode()

    def openapi(self) -> Mapping[str, Any]:
        """The upstream's OpenAPI document, or an empty one."""
        return self._openapi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request_id = _request_id(scope)
        try:
            await self._forward(scope, receive, send, request_id)
        except LatchkeyError as problem:
            _log_fault(problem, request_id)
            await send_problem(problem, request_id, scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._upstream.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _forward(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        if not is_forwarded(scope["path"]):
            raise NotFound
        if scope["method"] in _NEVER_FORWARDED:
            raise MethodNotAllowed
        body = await _read_body(receive)
        if body is None:
            return
        question = self._question(scope, body, request_id)
        last: bytes | None = None
        async with while_client_waits(receive), self._upstream.ask(question) as answer:
            last = await self._pass_on(answer, scope, send, request_id)
        # Only now: at the last part the server says "disconnect" to whoever listens.
        if last is not None:
            await send({"type": "http.response.body", "body": last})

    def _question(self, scope: Scope, body: bytes, request_id: str) -> Question:
        caller = scope.get("latchkey")
        ours = [
            *forwarding_headers(scope, scheme=self._scheme, host=self._host, hops=self._hops),
            *(caller_headers(caller) if caller is not None else ()),
            (b"x-request-id", request_id.encode()),
        ]
        kept = request_headers(scope["headers"], ours, body_bytes=len(body))
        headers: Headers = [(b"host", self._upstream.authority), *kept]
        return Question(scope["method"], target_of(scope), headers, body)

    async def _pass_on(
        self, answer: UpstreamAnswer, scope: Scope, send: Send, request_id: str
    ) -> bytes:
        """Send all but the last part of the body, and return that."""
        headers = answer_headers(answer.headers, answer.status)
        _reserve(scope, answer.headers, request_id)
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        length = declared_length(headers)
        async with aclosing(answer.parts()) as parts:
            if length is None or length > HELD_BYTES:
                return await pass_parts_on(start, parts, send)
            body = await read_whole(parts, seconds=self._upstream.timeouts.read)
        await send(start)
        return body


async def _read_body(receive: Receive) -> bytes | None:
    """The request's body, or None if the client went away."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _reserve(scope: Scope, headers: Headers, request_id: str) -> None:
    """Charge what the upstream says that the call cost; nonsense changes nothing."""
    caller = scope.get("latchkey")
    try:
        units = units_in(headers)
        if units is not None and caller is not None:
            caller.reserve(units)
    except ValueError as error:
        logger.warning("call %s: X-Latchkey-Units is ignored: %s", request_id, error)


def _request_id(scope: Scope) -> str:
    """The id that the meter gave to this call; a new one where there is no meter."""
    if "latchkey" in scope:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                return str(value, "ascii")
    return new_call_id()


def _log_fault(problem: LatchkeyError, request_id: str) -> None:
    cause = problem.__cause__
    if isinstance(problem, UpstreamError | UpstreamTimeout):
        why = f"{type(cause).__name__}: {cause}" if cause else "an answer that is no HTTP"
        logger.warning("call %s: %s: %s", request_id, problem.code, why)
