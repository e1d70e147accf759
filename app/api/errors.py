"""Errors in words, in one place: a page for people, problem details for programs."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.pages import render_page
from app.core.errors import PROBLEM_CONTENT_TYPE, InvalidRequest, LatchkeyError, problem_of
from app.core.ids import new_call_id
from app.core.pages import PRIVATE_HEADERS

logger = logging.getLogger(__name__)
_TEMPLATES = {
    "link_invalid": "link_invalid.html",
    "sign_in_needed": "step_up.html",
    "step_up_needed": "step_up.html",
}
_ROUTE_CODES = {404: "not_found", 405: "method_not_allowed"}


class Unexpected(LatchkeyError):
    """A fault of ours; the log has the cause under the same request id."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"
    default_detail = "It is noted. Try again; if it stays, tell us the request id."


class _RouteRefusal(LatchkeyError):
    """What the framework itself refuses: no such path or method, a body that is no form."""

    def __init__(self, error: HTTPException):
        super().__init__("Check the address and the method.", headers=error.headers)
        self.status = error.status_code
        self.code = _ROUTE_CODES.get(error.status_code, self.code)
        self.title = str(error.detail)


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error of the app's routes into an answer."""
    app.add_exception_handler(LatchkeyError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unexpected)


def wants_page(request: Request) -> bool:
    """Whether a browser asks, for its person to read, and not a program."""
    return "text/html" in request.headers.get("accept", "")


def answer(request: Request, error: LatchkeyError, request_id: str | None = None) -> Response:
    """The error as a page when a browser asks for one, else as problem details."""
    request_id = request_id or new_call_id()
    headers = {"x-request-id": request_id, **PRIVATE_HEADERS, **error.headers}
    if wants_page(request):
        page = render_page(
            _TEMPLATES.get(error.code, "message.html"),
            status=error.status,
            title=error.title,
            detail=_page_detail(error),
        )
        page.headers.update(headers)
        return page
    return Response(
        problem_of(error, request_id), error.status, headers, media_type=PROBLEM_CONTENT_TYPE
    )


def _page_detail(error: LatchkeyError) -> str:
    if isinstance(error, InvalidRequest) and error.detail == error.default_detail:
        faults = [f"{field}: {fault}." for field, fault in error.fields.items()]
        return " ".join(["Some fields are missing or wrong.", *faults])
    return error.detail


async def _expected(request: Request, error: Exception) -> Response:
    if not isinstance(error, LatchkeyError):
        raise error
    return answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = {
        ".".join(str(part) for part in item["loc"][1:]): item["msg"] for item in error.errors()
    }
    return answer(request, InvalidRequest(fields=fields))


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return answer(request, _RouteRefusal(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    request_id = new_call_id()
    logger.error("Unexpected error, request id %s", request_id, exc_info=error)
    return answer(request, Unexpected(), request_id)
