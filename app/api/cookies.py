"""The cookies: the session's, and those that tie a sign-in link, or a provider, to a browser."""

from starlette.requests import Request
from starlette.responses import Response

from app.accounts.oauth_states import ATTEMPT_MINUTES
from app.accounts.sessions import ABSOLUTE
from app.core.crypto import new_token, sha256_hex
from app.core.settings import Settings

BROWSER_SECONDS = 24 * 60 * 60
OAUTH_SECONDS = ATTEMPT_MINUTES * 60
_TOKEN_LENGTH = 43


def session_cookie_name(settings: Settings) -> str:
    """The session cookie's name; `__Host-` pins it to this host under https."""
    return "__Host-latchkey_session" if settings.is_https else "latchkey_session"


def set_session_cookie(response: Response, token: str, settings: Settings) -> None:
    """Give the browser its session."""
    _set(response, session_cookie_name(settings), token, int(ABSOLUTE.total_seconds()), settings)


def clear_session_cookie(response: Response, settings: Settings) -> None:
    """Take the session from the browser."""
    _set(response, session_cookie_name(settings), "", 0, settings)


def session_digest(request: Request, settings: Settings) -> str:
    """The digest of this browser's session token; that of nothing where it has none."""
    return sha256_hex(request.cookies.get(session_cookie_name(settings), ""))


def get_browser_token(request: Request, settings: Settings) -> str | None:
    """The random value that names this browser, if it has one."""
    token = request.cookies.get(_browser_cookie_name(settings), "")
    return token if len(token) == _TOKEN_LENGTH else None


def ensure_browser_token(request: Request, response: Response, settings: Settings) -> str:
    """The random value that names this browser, made if it has none."""
    token = get_browser_token(request, settings) or new_token()
    _set(response, _browser_cookie_name(settings), token, BROWSER_SECONDS, settings)
    return token


def oauth_cookie_name(settings: Settings) -> str:
    """The name of the cookie that remembers a sign-in by a provider until it comes back."""
    return "__Host-latchkey_oauth" if settings.is_https else "latchkey_oauth"


def set_oauth_cookie(response: Response, sealed: str, settings: Settings) -> None:
    """Have the browser remember what was sent to the provider; `sealed` is encrypted."""
    _set(response, oauth_cookie_name(settings), sealed, OAUTH_SECONDS, settings)


def clear_oauth_cookie(response: Response, settings: Settings) -> None:
    """Have the browser forget it."""
    _set(response, oauth_cookie_name(settings), "", 0, settings)


def _browser_cookie_name(settings: Settings) -> str:
    return "__Host-latchkey_browser" if settings.is_https else "latchkey_browser"


def _set(response: Response, name: str, value: str, max_age: int, settings: Settings) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.is_https,
    )
