"""Valid rows for tests. Each takes overrides, by attribute name, for what the test is about."""

from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.crypto import new_token, sha256_hex
from app.keys.format import key_start, new_key
from app.models import (
    Account,
    ApiCall,
    ApiKeyDetail,
    ApiKeyMetadata,
    Record,
    Session,
    SessionDetail,
    SignInLink,
    Subscription,
    TrialApiCall,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialWorkspace,
    User,
    VerificationToken,
)

_numbers = count(1)
Row = TypeVar("Row", bound=Record)


async def make_user(session: AsyncSession, **overrides: Any) -> User:
    """A customer whose address is verified."""
    number = next(_numbers)
    values = {
        "name": f"Customer {number}",
        "email": f"customer-{number}@example.com",
        "email_verified": utc_now(),
    }
    return await _save(session, User(**{**values, **overrides}))


async def make_identity(session: AsyncSession, user: User, **overrides: Any) -> Account:
    """The user's identity at GitHub."""
    values = {
        "user_id": user.id,
        "type": "oauth",
        "provider": "github",
        "provider_account_id": str(next(_numbers)),
    }
    return await _save(session, Account(**{**values, **overrides}))


async def make_session(session: AsyncSession, user: User, **overrides: Any) -> tuple[Session, str]:
    """A live session, and the token that its browser's cookie holds."""
    token = new_token()
    values = {
        "user_id": user.id,
        "session_token": sha256_hex(token),
        "expires": utc_now() + timedelta(days=7),
    }
    row = await _save(session, Session(**{**values, **overrides}))
    await _save(session, SessionDetail(session_id=row.id))
    return row, token


async def make_sign_in_link(
    session: AsyncSession, email: str, **overrides: Any
) -> tuple[SignInLink, str, str]:
    """A link that was sent and can be used: the row, its token, and its browser's secret."""
    token, browser = new_token(), new_token()
    values = {
        "email": email,
        "browser_hash": sha256_hex(browser),
        "token_hash": sha256_hex(token),
    }
    row = await _save(session, SignInLink(**{**values, **overrides}))
    expires = utc_now() + timedelta(minutes=10)
    values = {"identifier": row.email, "token": row.token_hash, "expires": expires}
    await _save(session, VerificationToken(**values))
    return row, token, browser


async def make_subscription(session: AsyncSession, user: User, **overrides: Any) -> Subscription:
    """A paid plan that runs this month."""
    number = next(_numbers)
    values = {
        "user_id": user.id,
        "stripe_customer_id": f"cus_{number}",
        "stripe_subscription_id": f"sub_{number}",
        "stripe_price_id": "price_pro",
        "status": "active",
        "current_period_start": utc_now() - timedelta(days=1),
        "current_period_end": utc_now() + timedelta(days=29),
    }
    return await _save(session, Subscription(**{**values, **overrides}))


async def make_key(
    session: AsyncSession,
    user: User,
    *,
    status: str = "active",
    detail: dict[str, Any] | None = None,
    **overrides: Any,
) -> tuple[ApiKeyMetadata, str]:
    """A live key with its detail (`detail` overrides that row's values), and its secret."""
    secret = new_key("live")
    values = {"user_id": user.id, "key_hash": sha256_hex(secret), "label": "Test", "status": status}
    row = await _save(session, ApiKeyMetadata(**{**values, **overrides}))
    details = {"key_id": row.id, "start": key_start(secret), **(detail or {})}
    await _save(session, ApiKeyDetail(**details))
    return row, secret


async def make_workspace(session: AsyncSession, owner: User, **overrides: Any) -> TrialWorkspace:
    """An active trial with two weeks to go."""
    number = next(_numbers)
    values = {
        "name": f"Trial {number}",
        "slug": f"trial-{number}",
        "owner_id": owner.id,
        "expires_at": utc_now() + timedelta(days=14),
    }
    return await _save(session, TrialWorkspace(**{**values, **overrides}))


async def make_trial_key(
    session: AsyncSession,
    workspace: TrialWorkspace,
    *,
    status: str = "active",
    detail: dict[str, Any] | None = None,
    **overrides: Any,
) -> tuple[TrialApiKey, str]:
    """A trial key with its detail (`detail` overrides that row's values), and its secret."""
    secret = new_key("trial")
    values = {"workspace_id": workspace.id, "key_hash": sha256_hex(secret), "status": status}
    row = await _save(session, TrialApiKey(**{**values, **overrides}))
    details = {"key_id": row.id, "start": key_start(secret), **(detail or {})}
    await _save(session, TrialApiKeyDetail(**details))
    return row, secret


async def make_call(session: AsyncSession, key: ApiKeyMetadata, **overrides: Any) -> ApiCall:
    """A recorded call of a live key that was answered and cost a unit."""
    values = {**_CALL, "api_key_id": key.id, "owner_id": key.user_id}
    return await _save(session, ApiCall(**{**values, **overrides}))


async def make_trial_call(
    session: AsyncSession, key: TrialApiKey, **overrides: Any
) -> TrialApiCall:
    """A recorded call of a trial key that was answered and cost a unit."""
    values = {**_CALL, "api_key_id": key.id}
    return await _save(session, TrialApiCall(**{**values, **overrides}))


_CALL = {
    "endpoint": "/api/v1/screen",
    "method": "POST",
    "status_code": 200,
    "latency_ms": 12,
    "units": 1,
}


async def _save(session: AsyncSession, row: Row) -> Row:
    session.add(row)
    await session.flush()
    return row
