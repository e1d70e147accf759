"""A browser that comes back from a provider: what it came for, or a page that says why not."""

from urllib.parse import urlencode

from fastapi.responses import RedirectResponse
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.addresses import safe_next
from app.accounts.identities import connect
from app.accounts.oauth_states import AttemptInvalid, use_state
from app.accounts.provider_sign_in import sign_in_by_identity
from app.accounts.sessions import end_session, find_session
from app.api.client import client_address
from app.api.cookies import session_digest, set_session_cookie
from app.api.errors import answer, wants_page
from app.api.oauth_attempt import KeptAttempt
from app.api.pages import render_page
from app.core.database import unit_of_work
from app.core.errors import LatchkeyError
from app.core.pages import PRIVATE_HEADERS
from app.core.settings import Settings
from app.integrations.oauth import Answer, Identity, Provider
from app.integrations.oauth.errors import (
    ConsentRefused,
    ProviderMisconfigured,
    ProviderUnavailable,
)

LONGEST_CODE = 4096

_ERRORS: dict[str, type[LatchkeyError]] = {
    "access_denied": ConsentRefused,
    "consent_required": ConsentRefused,
    "interaction_required": ConsentRefused,
    "login_required": ConsentRefused,
    "server_error": ProviderUnavailable,
    "temporarily_unavailable": ProviderUnavailable,
}
"""What a provider may say in place of a code; all else is for the operator to mend."""


async def finish(
    request: Request, settings: Settings, provider: Provider, attempt: KeptAttempt
) -> Response:
    """Do what the person came for. Raises what can go wrong with it."""
    async with unit_of_work() as session:
        now = await use_state(session, attempt.secrets.state, began_at=attempt.began_at)
    told = read_answer(request.query_params)
    identity = await provider.identify(told, attempt.secrets, now=now)
    if attempt.session_hash is not None:
        return await _connect(request, settings, identity, attempt)
    return await _sign_in(request, settings, identity, attempt)


def read_answer(query: QueryParams) -> Answer:
    """What the provider says by the browser. Raises what it says instead of a code."""
    codes, issuers, errors = (query.getlist(name) for name in ("code", "iss", "error"))
    if errors:
        raise _ERRORS.get(errors[0], ProviderMisconfigured)
    if len(codes) != 1 or not 0 < len(codes[0]) <= LONGEST_CODE or len(issuers) > 1:
        raise AttemptInvalid
    return Answer(codes[0], issuers[0] if issuers else None)


def failed_page(request: Request, error: LatchkeyError, attempt: KeptAttempt | None) -> Response:
    """The failure in words, with the way back to where it began."""
    if not wants_page(request):
        return answer(request, error)
    is_connecting = attempt is not None and attempt.session_hash is not None
    wish = urlencode({"next": safe_next(attempt.next if attempt else None)})
    return render_page(
        "sign_in_failed.html",
        status=error.status,
        title=error.title,
        detail=error.detail,
        back_url="/settings/" if is_connecting else f"/sign-in/?{wish}",
        back_label="Back to settings" if is_connecting else "Back to sign in",
    )


async def _sign_in(
    request: Request, settings: Settings, identity: Identity, attempt: KeptAttempt
) -> Response:
    async with unit_of_work() as session:
        token = await sign_in_by_identity(
            session,
            identity,
            user_agent=request.headers.get("user-agent"),
            ip_address=client_address(request, settings),
        )
        await end_session(session, session_digest(request, settings))
    going = RedirectResponse(safe_next(attempt.next), 303, headers=PRIVATE_HEADERS)
    set_session_cookie(going, token, settings)
    return going


async def _connect(
    request: Request, settings: Settings, identity: Identity, attempt: KeptAttempt
) -> Response:
    """Only in the session that asked: somebody else may have signed in here meanwhile."""
    present = session_digest(request, settings)
    async with unit_of_work() as session:
        user = await find_session(session, present)
        if user is None or present != attempt.session_hash:
            raise AttemptInvalid
        await connect(session, user.user_id, identity)
    return RedirectResponse(safe_next(attempt.next), 303, headers=PRIVATE_HEADERS)
