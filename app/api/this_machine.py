"""Whether a request comes from this machine's own user, for pages that nobody else may see."""

from starlette.requests import HTTPConnection

from app.api.client import asked_name
from app.core.settings import LOOPBACK_NAMES, Settings

FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
)


def is_from_here(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether everything says that only this machine's user can be asking.

    A request that came through a proxy or a tunnel came from elsewhere, whatever it asks for.
    """
    caller = connection.client.host if connection.client else ""
    is_here = {asked_name(connection), caller} <= LOOPBACK_NAMES
    return settings.is_local and is_here and not is_forwarded(connection)


def is_forwarded(connection: HTTPConnection) -> bool:
    """Whether a proxy or a tunnel says that it passed the request on."""
    return any(name in connection.headers for name in FORWARDED)
