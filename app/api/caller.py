"""Who is signed in, for routes that a browser opens beside the portal."""

from starlette.requests import Request

from app.accounts.sessions import CurrentUser, find_session
from app.accounts.step_up import require_recent
from app.api.cookies import session_cookie_name
from app.core.crypto import sha256_hex
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.core.settings import Settings


class SignInNeeded(LatchkeyError):
    """Nobody is signed in, or not any more."""

    status = 401
    code = "sign_in_needed"
    title = "Sign in first"
    default_detail = "This is for signed-in customers. Sign in, then open it again."


async def require_recent_caller(request: Request, settings: Settings) -> CurrentUser:
    """The person behind the session cookie, who signed in of late.

    Raises SignInNeeded or StepUpNeeded.
    """
    token = request.cookies.get(session_cookie_name(settings), "")
    async with unit_of_work() as session:
        caller = await find_session(session, sha256_hex(token)) if token else None
        if caller is None:
            raise SignInNeeded
        await require_recent(session, caller.session_id)
    return caller
