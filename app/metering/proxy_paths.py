"""Which paths go to the upstream, and how they are written on the way."""

import re
from urllib.parse import quote, unquote

from app.metering.asgi import Scope
from app.metering.own.paths import OWN, OWN_TREE

_DOTS = frozenset({".", ".."})
_SLASHES = re.compile(r"[/\\]+")
_NOT_IN_A_TARGET = re.compile(rb"[^\x21-\x7e]")


def is_forwarded(path: str) -> bool:
    """Whether this decoded path may reach the upstream: not our own routes, and no dot segments.

    Clients resolve `.` and `..` before they send (RFC 3986, 5.2.4). A path that still has them,
    in whatever spelling, means one thing to us and another to a server that resolves them
    then: it would lead out of `/api/v1/`, or past the price of a route.
    """
    return all(_is_plain(spelling) for spelling in {path, unquote(path)})


def _is_plain(path: str) -> bool:
    merged = _SLASHES.sub("/", path)
    if merged in OWN or merged.startswith(OWN_TREE):
        return False
    # Some servers take what follows a ";" off before they look for dots.
    return not any(segment.partition(";")[0] in _DOTS for segment in merged.split("/"))


def target_of(scope: Scope) -> bytes:
    """Path and query as they came; bytes that no request line may hold are percent-encoded."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    return _NOT_IN_A_TARGET.sub(_percent_encoded, path + b"?" + query if query else path)


def _percent_encoded(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match.group()[0]
