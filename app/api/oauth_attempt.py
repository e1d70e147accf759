"""What a browser remembers between going to a provider and coming back: one encrypted cookie."""

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.fernet import InvalidToken, MultiFernet
from starlette.requests import Request
from starlette.responses import Response

from app.api.cookies import oauth_cookie_name, set_oauth_cookie
from app.core.crypto import new_token
from app.core.secret_key import make_cipher
from app.core.settings import Settings
from app.integrations.oauth import Attempt

PURPOSE = "oauth sign-in"


@dataclass(frozen=True, slots=True)
class KeptAttempt:
    """A sign-in by a provider that has begun.

    `session_hash`: of the session that connects the provider to its account; None for a sign-in.
    """

    provider: str
    secrets: Attempt
    next: str
    session_hash: str | None
    began_at: datetime


def begin(
    provider: str, *, next_path: str, session_hash: str | None, began_at: datetime
) -> KeptAttempt:
    """An attempt with fresh random values. The 43 characters are what PKCE asks for, too."""
    fresh = Attempt(state=new_token(), nonce=new_token(), verifier=new_token())
    return KeptAttempt(provider, fresh, next_path, session_hash, began_at)


def keep(response: Response, attempt: KeptAttempt, settings: Settings) -> None:
    """Have the browser remember it, in place of an earlier one."""
    written = {**asdict(attempt), "began_at": attempt.began_at.isoformat()}
    sealed = _cipher(settings).encrypt(json.dumps(written).encode()).decode()
    set_oauth_cookie(response, sealed, settings)


def find_returning(request: Request, settings: Settings, *, provider: str) -> KeptAttempt | None:
    """The attempt of this browser whose answer the request is, or None."""
    attempt = find_kept(request, settings)
    states = request.query_params.getlist("state")
    if attempt is None or attempt.provider != provider or len(states) != 1:
        return None
    is_its = secrets.compare_digest(states[0].encode(), attempt.secrets.state.encode())
    return attempt if is_its else None


def find_kept(request: Request, settings: Settings) -> KeptAttempt | None:
    """What this browser remembers, if we wrote it. Its age is for the database's clock to judge."""
    sealed = request.cookies.get(oauth_cookie_name(settings), "")
    try:
        written = json.loads(_cipher(settings).decrypt(sealed.encode("latin-1", "replace")))
    except InvalidToken:
        return None
    return KeptAttempt(
        provider=written["provider"],
        secrets=Attempt(**written["secrets"]),
        next=written["next"],
        session_hash=written["session_hash"],
        began_at=datetime.fromisoformat(written["began_at"]),
    )


@lru_cache(maxsize=1)
def _cipher(settings: Settings) -> MultiFernet:
    """Made once for these settings: where no SECRET_KEY is set it lies on the disk."""
    return make_cipher(settings, PURPOSE)
