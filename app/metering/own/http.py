"""What Latchkey's own routes share: methods, JSON bodies, and problems instead of exceptions."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.core.errors import InvalidRequest, LatchkeyError
from app.core.ids import new_call_id
from app.core.strict_json import check_content_type, parse_json
from app.core.validation import problems_by_field
from app.metering.asgi import ASGIApp, Receive, Scope, Send, content_type_of
from app.metering.body import BodyReader
from app.metering.problems import ClientGone, InternalError, MethodNotAllowed
from app.metering.replies import send_problem

logger = logging.getLogger(__name__)

Answering = Callable[[Scope, Receive, Send, str], Awaitable[None]]
"""An ASGI app that is also told the request's id; what it raises becomes a problem."""

Model = TypeVar("Model", bound=BaseModel)


def route(answer: Answering, *methods: str) -> ASGIApp:
    """The ASGI app of a route that takes these methods."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_call_id()
        if scope["method"] not in methods:
            refusal = MethodNotAllowed(", ".join(methods))
            await send_problem(refusal, request_id, scope, with_id(send, request_id))
            return
        try:
            await answer(scope, receive, send, request_id)
        except ClientGone:
            return
        except LatchkeyError as error:
            await send_problem(error, request_id, scope, with_id(send, request_id))
        except OSError:
            logger.debug("the client of request %s is gone", request_id)
        except Exception:
            logger.exception("Latchkey itself failed in request %s", request_id)
            await send_problem(InternalError(), request_id, scope, with_id(send, request_id))

    return serve


def with_id(send: Send, request_id: str) -> Send:
    """`send`, with the header that every answer carries."""

    async def send_with_id(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"].append((b"x-request-id", request_id.encode()))
        await send(message)

    return send_with_id


async def read_json_bytes(scope: Scope, receive: Receive, *, limit_bytes: int) -> bytes:
    """The body, said to be JSON. Raises UnsupportedMediaType, BodyTooLarge, ClientGone."""
    check_content_type(content_type_of(scope["headers"]))
    return await BodyReader(limit_bytes).read(receive, scope, scope["path"])


def parsed(body: bytes, model: type[Model]) -> Model:
    """The question that the body holds. Raises MalformedJson, InvalidRequest."""
    return checked(parse_json(body), model)


def checked(value: Any, model: type[Model]) -> Model:
    """The value as what it should be. Raises InvalidRequest, by field and without the input."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidRequest(fields=problems_by_field(faults)) from error
