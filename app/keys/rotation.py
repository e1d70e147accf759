"""Replacing a key without an outage: the old one lives on for a grace period."""

from datetime import timedelta

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.suspension import require_open
from app.core.clock import DB_NOW
from app.core.errors import InvalidRequest, NotFound
from app.keys.service import NewKey, insert_key, revoke_key
from app.models import ApiKeyDetail, ApiKeyMetadata, User

GRACES = {
    "now": timedelta(0),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
"""How long the old key lives on, by the form's value."""


async def rotate_key(session: AsyncSession, user_id: str, key_id: str, *, grace: str) -> NewKey:
    """A new key in place of the account's active one, with its name, tier and networks.

    The old key ends with the grace period, or at once; a key with an expiry is followed by
    one that lives as long as it was given. Raises InvalidRequest for an unknown grace, and
    NotFound unless the key is active and has not been replaced already, and Suspended.
    """
    if grace not in GRACES:
        raise InvalidRequest(fields={"grace": "must be one of the offered periods"})
    # a change of the account's plan waits, and reaches the new key too
    await session.get(User, user_id, with_for_update=True)
    await require_open(session, user_id)
    old, detail = await _lock_active(session, user_id, key_id)
    lifetime = detail.expires_at - old.created_at if detail.expires_at else None
    new = await insert_key(
        session,
        ApiKeyMetadata(user_id=user_id, label=old.label, tier=old.tier, status="active"),
        expires_at=DB_NOW + lifetime if lifetime else None,
        allowed_ips=detail.allowed_ips,
        rotated_from_id=old.id,
    )
    if GRACES[grace]:
        await _end_after(session, key_id, GRACES[grace])
    else:
        await revoke_key(session, user_id, key_id)
    return new


async def _lock_active(
    session: AsyncSession, user_id: str, key_id: str
) -> tuple[ApiKeyMetadata, ApiKeyDetail]:
    statement = (
        select(ApiKeyMetadata, ApiKeyDetail)
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id))
        .where(
            ApiKeyMetadata.id == key_id,
            ApiKeyMetadata.user_id == user_id,
            ApiKeyMetadata.status == "active",
            col(ApiKeyDetail.grace_ends_at).is_(None),
        )
        .with_for_update()
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise NotFound("This key is not active any more. Reload the page.")
    return found


async def _end_after(session: AsyncSession, key_id: str, grace: timedelta) -> None:
    statement = update(ApiKeyDetail).where(col(ApiKeyDetail.key_id) == key_id)
    await session.exec(statement.values(grace_ends_at=DB_NOW + grace))
