"""The screening API, an ASGI app of its own: `api`. It knows nothing of keys or quotas.

Whoever mounts it may give the call's id in the header `x-request-id`, and an object with
`reserve(units)` in `scope["latchkey"]`. Neither is needed.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.core.errors import (
    PROBLEM_CONTENT_TYPE,
    InvalidRequest,
    LatchkeyError,
    NotFound,
    problem_of,
)
from app.core.ids import new_call_id
from app.core.settings import get_settings
from app.core.strict_json import (
    MalformedJson,
    UnsupportedMediaType,
    check_content_type,
    parse_json,
)
from app.core.validation import problems_by_field
from app.screening.errors import InternalError, MethodNotAllowed, NoListLoaded
from app.screening.lists import ListStore, Watchlist, WatchlistError, load_watchlists
from app.screening.matching import ALGORITHM
from app.screening.openapi import add_problem_schema, problem_responses, x_latchkey
from app.screening.schemas import (
    SENSITIVE_FIELDS,
    ListsAnswer,
    ScreenAnswer,
    ScreenRequest,
)
from app.screening.service import choose_lists, is_quick, list_info, loaded_list, screen

logger = logging.getLogger(__name__)

UNITS = 1
"""What one answered subject costs."""

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class _StrictRequest(Request):
    """A request whose body is parsed strictly, once."""

    _parsed: Any = None

    async def parse(self) -> None:
        check_content_type(self.headers.get("content-type"))
        self._parsed = parse_json(await self.body())

    async def json(self) -> Any:
        return self._parsed


class _StrictRoute(APIRoute):
    """A route that takes strict JSON only and never answers with more than it means to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            strict = _StrictRequest(request.scope, request.receive)
            try:
                if self.body_field:
                    await strict.parse()
                return await handle(strict)
            except (LatchkeyError, RequestValidationError, HTTPException, ClientDisconnect):
                raise
            except Exception:
                logger.exception("screening failed in call %s", _request_id(request))
                return _answer_problem(request, InternalError())

        return handle_strictly


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, with the schema of problems."""
        document = super().openapi()
        add_problem_schema(document)
        return document


def _request_id(request: Request) -> str:
    """The id that was given to this call, or a new one, the same for the whole call."""
    given = request.headers.get("x-request-id", "")
    if _REQUEST_ID.fullmatch(given):
        return given
    made: str = request.scope.setdefault("screening.request_id", new_call_id())
    return made


def _answer_problem(request: Request, error: LatchkeyError) -> Response:
    return Response(
        problem_of(error, _request_id(request)),
        status_code=error.status,
        headers=error.headers,
        media_type=PROBLEM_CONTENT_TYPE,
    )


async def _answer_expected(request: Request, error: Exception) -> Response:
    """Any expected failure, ours or the framework's, as problem details."""
    if isinstance(error, LatchkeyError):
        return _answer_problem(request, error)
    if isinstance(error, RequestValidationError):
        return _answer_problem(request, InvalidRequest(fields=problems_by_field(error.errors())))
    status = error.status_code if isinstance(error, HTTPException) else InternalError.status
    if status == MethodNotAllowed.status:
        headers = error.headers if isinstance(error, HTTPException) else None
        return _answer_problem(request, MethodNotAllowed(headers=headers))
    if status == NotFound.status:
        return _answer_problem(request, NotFound())
    return _answer_problem(request, InternalError())


async def _get_lists(request: Request) -> Sequence[Watchlist]:
    """The lists of this process; whoever asks first waits until they are read."""
    store: ListStore = request.app.state.lists
    if (loaded := store.loaded) is not None:
        return loaded
    try:
        return await asyncio.to_thread(store.load)
    except WatchlistError as error:
        logger.exception("no watchlist in call %s", _request_id(request))
        raise NoListLoaded from error


_Lists = Annotated[Sequence[Watchlist], Depends(_get_lists)]
_router = APIRouter(prefix="/api/v1", route_class=_StrictRoute, tags=["screening"])


@_router.post(
    "/screen",
    summary="Screen one subject",
    operation_id="screen",
    openapi_extra=x_latchkey(units=UNITS, sensitive=SENSITIVE_FIELDS),
    responses=problem_responses(
        MalformedJson, UnsupportedMediaType, InvalidRequest, InternalError, NoListLoaded
    ),
)
async def post_screen(question: ScreenRequest, lists: _Lists, request: Request) -> ScreenAnswer:
    """Look for one person, company or vessel on the watchlists. Costs 1 unit."""
    chosen = choose_lists(question, lists)
    if (caller := request.scope.get("latchkey")) is not None:
        caller.reserve(UNITS)
    if is_quick(question, chosen):
        results = screen(question, chosen)
    else:
        results = await asyncio.to_thread(screen, question, chosen)
    return ScreenAnswer(
        id=_request_id(request),
        client_ref=question.client_ref,
        status="potential_match" if results else "clear",
        units=UNITS,
        results=results,
        lists=[list_info(one) for one in chosen],
        algorithm=ALGORITHM,
        threshold=question.threshold,
    )


@_router.get(
    "/lists",
    summary="Lists that are loaded",
    operation_id="lists",
    openapi_extra=x_latchkey(units=0),
    responses=problem_responses(InternalError, NoListLoaded),
)
async def get_lists(lists: _Lists) -> ListsAnswer:
    """The watchlists that are searched, their versions and age. Costs nothing."""
    return ListsAnswer(lists=[loaded_list(one) for one in lists])


def make_api(load: Callable[[], Sequence[Watchlist]]) -> FastAPI:
    """The API over the lists that `load` gives; it is called at start or at the first call."""
    store = ListStore(load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(store.load)  # an unusable WATCHLISTS stops the start
        yield

    made = _Api(
        title="Latchkey screening",
        version="1",
        description="Screens names against watchlists. Errors are problem details (RFC 9457).",
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    made.state.lists = store
    made.include_router(_router)
    for expected in (LatchkeyError, RequestValidationError, HTTPException):
        made.add_exception_handler(expected, _answer_expected)
    return made


api = make_api(lambda: load_watchlists(get_settings().watchlists))
"""The ASGI app that `API_APP` names by default, over the lists of `WATCHLISTS`."""
