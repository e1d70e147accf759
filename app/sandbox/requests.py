"""Reading a request's body, which is small or refused."""

from starlette.requests import Request

from app.sandbox.errors import StripeError

MAX_BODY_BYTES = 64 * 1024


class BodyTooLarge(StripeError):
    """More was sent than any form of ours holds."""

    status = 413


async def read_text(request: Request) -> str:
    """The body as text; bytes that are no UTF-8 are replaced. Raises BodyTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge("The request body is too large.")
    return body.decode("utf-8", "replace")
