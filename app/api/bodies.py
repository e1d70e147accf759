"""Bodies of webhooks: whole and raw, as they were signed, up to a bound."""

from fastapi import Request

from app.core.errors import LatchkeyError

MOST_BYTES = 1024 * 1024
"""Of one message; Stripe's events are some kilobytes."""


class MessageTooLarge(LatchkeyError):
    """More bytes than any message has."""

    status = 413
    code = "body_too_large"
    title = "Too large for a message"
    default_detail = "A message may have 1 MiB at most. Nothing of this one was read further."


async def read_body(request: Request) -> bytes:
    """The body. Raises MessageTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise MessageTooLarge
    return bytes(body)
