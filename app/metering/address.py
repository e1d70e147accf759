"""Where a request comes from."""

from app.metering.asgi import Scope


def client_address(scope: Scope, trusted_hops: int) -> str | None:
    """The client's IP address, as text; None if the server does not say.

    Each trusted proxy appends to `X-Forwarded-For` whom it heard from: with n of them the n-th
    entry from the right was written by the outermost, and all before it by whoever called.
    """
    client: tuple[str, int] | None = scope.get("client")
    peer = client[0] if client else None
    if trusted_hops == 0:
        return peer
    entries: list[str] = [
        entry.strip()
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
        for entry in value.decode("latin-1").split(",")
    ]
    if not entries:
        return peer
    return entries[-trusted_hops] if len(entries) >= trusted_hops else entries[0]
