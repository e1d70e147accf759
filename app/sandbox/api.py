"""The HTTP side of the API: key, parameters, idempotency; one request, one transaction."""

import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.core.crypto import sha256_hex
from app.sandbox.acts.due import catch_up
from app.sandbox.books import Books, opened_books
from app.sandbox.config import Config
from app.sandbox.document import Json, new_object_id
from app.sandbox.errors import IdempotencyError, StripeError, WrongKey
from app.sandbox.forms import Params, parse_form
from app.sandbox.requests import read_text
from app.sandbox.routes.lists import expand
from app.sandbox.routes.table import Handler, find_route
from app.sandbox.shapes.event import API_VERSION

API_PREFIX = "/sandbox/stripe"
"""Where the API lies; Stripe's own paths, `/v1/…`, follow."""

IDEMPOTENCY_SECONDS = 24 * 3_600
_LONGEST_KEY = 255

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """One request, understood: what is to be done, and what makes it the same as another."""

    handler: Handler
    ids: dict[str, str]
    sent: str
    path: str
    idempotency_key: str | None
    request_id: str


class Api:
    """Answers requests under `API_PREFIX`; `on_told` is called when there are new webhooks."""

    def __init__(self, config: Config, on_told: Callable[[], None]):
        self._config = config
        self._on_told = on_told

    async def answer(self, request: Request) -> Response:
        """The answer, an error in Stripe's shape too."""
        request_id = new_object_id("req")
        try:
            asked = await self._understand(request, request_id)
            status, answer, is_replay = await self._act(asked)
        except StripeError as error:
            return _respond(error.status, {"error": error.fields()}, request_id)
        except Exception:
            logger.exception("The billing sandbox failed, request id %s", request_id)
            words = "The sandbox failed. The log says why, under this request id."
            fault = {"error": {"type": "api_error", "message": words}}
            return _respond(500, fault, request_id)
        return _respond(status, answer, request_id, is_replay=is_replay)

    async def _understand(self, request: Request, request_id: str) -> _Asked:
        _require_key(request, self._config.api_key)
        path = request.url.path.removeprefix(API_PREFIX)
        handler, ids = find_route(request.method, path)
        sent = [request.url.query, await read_text(request)]
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key and len(key) > _LONGEST_KEY:
            raise IdempotencyError(f"Keys can be up to {_LONGEST_KEY} characters long.")
        return _Asked(handler, ids, "&".join(filter(None, sent)), path, key, request_id)

    async def _act(self, asked: _Asked) -> tuple[int, Json, bool]:
        async with opened_books(self._config.now, self._config.public_url) as books:
            await catch_up(books)
            if asked.idempotency_key and (kept := await _find_kept(books, asked)):
                return kept["status"], kept["answer"], True
            books.request_id, books.idempotency_key = asked.request_id, asked.idempotency_key
            status, answer = await _done(books, asked)
            await _keep(books, asked, status, answer)
        if books.has_told:
            self._on_told()
        return status, answer, False


async def _done(books: Books, asked: _Asked) -> tuple[int, Json]:
    params = Params(parse_form(asked.sent))
    paths = params.words("expand")
    try:
        answer = await asked.handler(books, params, **asked.ids)
    except StripeError as error:
        if not error.keeps_changes:
            raise
        return error.status, {"error": error.fields()}
    params.refuse_unknown()
    return 200, await expand(books, answer, paths)


async def _find_kept(books: Books, asked: _Asked) -> Json | None:
    """What was answered to this key. Raises IdempotencyError when it was another request."""
    found = await books.find(_idempotency_id(asked))
    if found is None:
        return None
    if found["at"] + IDEMPOTENCY_SECONDS < books.wall:
        await books.remove(found)
        return None
    if found["sent"] != [asked.path, asked.sent]:
        raise IdempotencyError(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{asked.idempotency_key}' if you meant "
            "to execute a different request."
        )
    return found.object


async def _keep(books: Books, asked: _Asked, status: int, answer: Json) -> None:
    if not asked.idempotency_key:
        return
    old = await books.select(
        "kind = 'idempotency' AND CAST(object->>'at' AS bigint) < :oldest",
        {"oldest": books.wall - IDEMPOTENCY_SECONDS},
        limit=100,
    )
    for document in old:
        await books.remove(document)
    kept = {"status": status, "answer": answer, "at": books.wall, "sent": [asked.path, asked.sent]}
    books.add("idempotency", {"id": _idempotency_id(asked), **json.loads(json.dumps(kept))})


def _idempotency_id(asked: _Asked) -> str:
    return f"idem_{sha256_hex(asked.idempotency_key or '')}"


def _require_key(request: Request, api_key: str) -> None:
    """Raises WrongKey unless the request carries the sandbox's key."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if not given or scheme.lower() != "bearer":
        raise WrongKey(
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth."
        )
    if not hmac.compare_digest(given.strip().encode(), api_key.encode()):
        raise WrongKey("Invalid API Key provided: it is not this sandbox's.")


def _respond(status: int, answer: Any, request_id: str, *, is_replay: bool = False) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION, "Cache-Control": "no-store"}
    if is_replay:
        headers["Idempotent-Replayed"] = "true"
    body = json.dumps(answer, ensure_ascii=False, indent=2)
    return Response(body, status, headers, media_type="application/json")
