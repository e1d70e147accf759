"""Keys by the account's plan: as many as it gives, each of its tier."""

from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.access import lock_tier
from app.keys import service
from app.keys.options import KeyOptions
from app.keys.service import NewKey


async def create_key(session: AsyncSession, user_id: str, *, options: KeyOptions) -> NewKey:
    """A new key of the account, of its plan's tier. Raises KeyLimitReached.

    The plan does not change between reading it and making the key: one waits for the other.
    """
    tier = await lock_tier(session, user_id)
    return await service.create_key(
        session, user_id, options=options, limit=tier.keys, tier=tier.id
    )
