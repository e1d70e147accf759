"""Making and revoking the keys of one trial."""

from sqlalchemy import func
from sqlmodel import col, exists, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.suspension import require_open
from app.core.clock import DB_NOW
from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError, NotFound
from app.core.ids import new_id
from app.keys.format import key_start, new_key
from app.keys.options import parse_label
from app.keys.service import NewKey
from app.models import KeyExposure, TrialApiKey, TrialApiKeyDetail
from app.trials.service import lock_trial
from app.trials.states import Move

MOST_KEYS = 5
"""Keys of one trial at a time that are not revoked, nor end because somebody reported them."""


class TrialKeyLimitReached(LatchkeyError):
    """The trial has as many keys as a trial may."""

    status = 409
    code = "trial_key_limit_reached"
    title = "No more keys in this trial"
    default_detail = (
        f"A trial has at most {MOST_KEYS} keys. Revoke one that you no longer need, or convert the "
        "trial to a plan."
    )


async def create_key(session: AsyncSession, user_id: str, slug: str, *, label: str) -> NewKey:
    """A new key of the account's trial, active at once.

    Raises InvalidRequest on field `label`, TrialKeyLimitReached, TrialMoveRefused once the trial
    is over, Suspended, and NotFound.
    """
    label = parse_label(label)
    workspace, life = await lock_trial(session, user_id, slug)
    life.after(Move.MAKE_KEY)
    await require_open(session, user_id)
    if await _count_in_use(session, workspace.id) >= MOST_KEYS:
        raise TrialKeyLimitReached
    secret = new_key("trial")
    row = TrialApiKey(
        id=new_id(), workspace_id=workspace.id, key_hash=sha256_hex(secret), label=label
    )
    session.add(row)
    await session.flush()
    session.add(TrialApiKeyDetail(key_id=row.id, start=key_start(secret)))
    return NewKey(id=row.id, secret=secret, start=key_start(secret), status=row.status)


async def revoke_key(session: AsyncSession, user_id: str, slug: str, key_id: str) -> None:
    """Revoke a key of the account's trial; revoking twice changes nothing.

    Raises NotFound, and TrialMoveRefused where the trial's keys are no more its own.
    """
    workspace, life = await lock_trial(session, user_id, slug)
    life.after(Move.REVOKE_KEY)
    statement = (
        update(TrialApiKey)
        .where(col(TrialApiKey.id) == key_id, col(TrialApiKey.workspace_id) == workspace.id)
        .values(status="revoked", revoked_at=func.coalesce(TrialApiKey.revoked_at, DB_NOW))
    )
    if (await session.exec(statement)).rowcount == 0:
        raise NotFound("This key does not exist any more. Reload the page.")


async def _count_in_use(session: AsyncSession, workspace_id: str) -> int:
    """Keys that take a place. One that was reported leaves its own to the key that replaces it."""
    statement = select(func.count()).where(
        TrialApiKey.workspace_id == workspace_id,
        TrialApiKey.status != "revoked",
        ~exists().where(col(KeyExposure.key_id) == col(TrialApiKey.id)),
    )
    return (await session.exec(statement)).one()
