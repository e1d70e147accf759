"""Making, listing, approving and revoking the keys of one account.

Every query filters by the account as well: an id from a browser is a claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.suspension import require_open
from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError, NotFound
from app.core.ids import new_id
from app.keys.format import key_start, new_key
from app.keys.options import KeyOptions
from app.models import ApiKeyDetail, ApiKeyMetadata, KeyExposure, KeyLastUse, KeyLeak, User


class KeyLimitReached(LatchkeyError):
    """The plan's number of keys is in use."""

    status = 409
    code = "key_limit_reached"
    title = "No more keys on this plan"
    default_detail = "Every key of your plan is in use. Revoke one that you no longer need."


class AddressNotVerified(LatchkeyError):
    """Only an owner whose address is verified may do this: approve a key, start a trial."""

    status = 403
    code = "address_not_verified"
    title = "Verify your address first"
    default_detail = "Open a link that we mail you; then approve the key."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `secret` is shown once and is stored nowhere."""

    id: str
    secret: str
    start: str
    status: str


@dataclass(frozen=True, slots=True)
class KeySummary:
    """What may be shown of a key.

    `leaked_at`: when it was last seen in a URL. `reported_at`: when others said that it is exposed.
    """

    id: str
    label: str | None
    start: str | None
    status: str
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    grace_ends_at: datetime | None
    allowed_ips: Sequence[str] | None
    leaked_at: datetime | None
    reported_at: datetime | None


async def create_key(
    session: AsyncSession, user_id: str, *, options: KeyOptions, limit: int, tier: str = "free"
) -> NewKey:
    """A new live key of the account, at most `limit` in use, with what this tier gives.

    It is active at once when the owner's address is verified, else pending. Raises
    KeyLimitReached, or Suspended.
    """
    # the row lock makes counting and inserting one step for two tabs at once
    owner = await session.get(User, user_id, with_for_update=True)
    if owner is None:
        raise NotFound
    await require_open(session, user_id)
    if await _count_in_use(session, user_id) >= limit:
        raise KeyLimitReached
    expires_at = DB_NOW + options.lifetime if options.lifetime else None
    return await insert_key(
        session,
        ApiKeyMetadata(
            user_id=user_id,
            label=options.label,
            tier=tier,
            status="active" if owner.email_verified else "pending_verification",
        ),
        expires_at=expires_at,
        allowed_ips=list(options.allowed_ips) or None,
    )


async def insert_key(session: AsyncSession, row: ApiKeyMetadata, **detail: Any) -> NewKey:
    """Give the row an id and a fresh secret, and insert it with its `detail` row's values."""
    secret = new_key("live")
    row.id, row.key_hash = new_id(), sha256_hex(secret)
    session.add(row)
    await session.flush()
    session.add(ApiKeyDetail(key_id=row.id, start=key_start(secret), **detail))
    return NewKey(id=row.id, secret=secret, start=key_start(secret), status=row.status)


async def list_keys(session: AsyncSession, user_id: str) -> Sequence[KeySummary]:
    """The account's keys, newest first, revoked ones last; one statement."""
    statement = (
        select(  # type: ignore[call-overload, misc]  # sqlmodel types selects of up to four columns
            ApiKeyMetadata.id,
            ApiKeyMetadata.label,
            ApiKeyDetail.start,
            _shown_status(),
            ApiKeyMetadata.created_at,
            ApiKeyMetadata.revoked_at,
            ApiKeyDetail.expires_at,
            KeyLastUse.last_used_at,
            ApiKeyDetail.grace_ends_at,
            ApiKeyDetail.allowed_ips,
            KeyLeak.last_seen_at,
            KeyExposure.reported_at,
        )
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .join(KeyLastUse, col(KeyLastUse.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .join(KeyLeak, col(KeyLeak.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .join(KeyExposure, col(KeyExposure.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .where(ApiKeyMetadata.user_id == user_id)
        .order_by(
            col(ApiKeyMetadata.status) == "revoked",
            col(ApiKeyMetadata.created_at).desc(),
            col(ApiKeyMetadata.id),
        )
    )
    return [KeySummary(*row) for row in (await session.exec(statement)).all()]


async def revoke_key(session: AsyncSession, user_id: str, key_id: str) -> None:
    """Revoke the account's key; revoking twice changes nothing. Raises NotFound."""
    owned = (col(ApiKeyMetadata.id) == key_id, col(ApiKeyMetadata.user_id) == user_id)
    statement = (
        update(ApiKeyMetadata)
        .where(*owned)
        .values(status="revoked", revoked_at=func.coalesce(ApiKeyMetadata.revoked_at, DB_NOW))
    )
    if (await session.exec(statement)).rowcount == 0:
        raise NotFound("This key does not exist any more. Reload the page.")


async def revoke_all(session: AsyncSession, user_id: str) -> None:
    """Revoke every key of the account."""
    statement = (
        update(ApiKeyMetadata)
        .where(col(ApiKeyMetadata.user_id) == user_id, col(ApiKeyMetadata.status) != "revoked")
        .values(status="revoked", revoked_at=func.coalesce(ApiKeyMetadata.revoked_at, DB_NOW))
    )
    await session.exec(statement)


async def approve_key(session: AsyncSession, user_id: str, key_id: str) -> None:
    """Let a pending key of the account work, once its owner's address is verified.

    Raises AddressNotVerified, or NotFound when there is no such pending key.
    """
    owner = await session.get(User, user_id)
    if owner is None or owner.email_verified is None:
        raise AddressNotVerified
    statement = (
        update(ApiKeyMetadata)
        .where(
            col(ApiKeyMetadata.id) == key_id,
            col(ApiKeyMetadata.user_id) == user_id,
            col(ApiKeyMetadata.status) == "pending_verification",
        )
        .values(status="active")
    )
    if (await session.exec(statement)).rowcount == 0:
        raise NotFound("This key is not waiting for approval. Reload the page.")


async def _count_in_use(session: AsyncSession, user_id: str) -> int:
    """Keys that take a place of the plan's: not revoked, and not replaced by another."""
    statement = (
        select(func.count())
        .select_from(ApiKeyMetadata)
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .where(
            ApiKeyMetadata.user_id == user_id,
            ApiKeyMetadata.status != "revoked",
            col(ApiKeyDetail.grace_ends_at).is_(None),
        )
    )
    return (await session.exec(statement)).one()


def _shown_status() -> ColumnElement[str]:
    """The key's status, or `expired` where its time is over by the database's clock."""
    ends_at: ColumnElement[datetime] = func.least(
        col(ApiKeyDetail.expires_at), col(ApiKeyDetail.grace_ends_at)
    )
    is_over = (col(ApiKeyMetadata.status) == "active") & (ends_at <= DB_NOW)
    return case((is_over, "expired"), else_=col(ApiKeyMetadata.status))
