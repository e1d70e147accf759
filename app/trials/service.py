"""Starting and cancelling the trials of one account.

Whoever changes a trial locks its owner's row first: so one act waits for the other, also where
it makes live keys.
"""

import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.erasures import refuse_erased
from app.accounts.suspension import require_open
from app.billing.plans import Tier, get_plans
from app.core.clock import DB_NOW, day_words
from app.core.errors import InvalidRequest, NotFound
from app.core.ids import new_id
from app.keys.service import AddressNotVerified
from app.models import TrialApiKey, TrialWorkspace, User
from app.trials.claims import TrialTaken, take_claim
from app.trials.slugs import free_slug, slug_of
from app.trials.states import Life, Move, Status, read_life
from app.trials.tiers import find_trial_tier

LONGEST_NAME = 60

_NO_TRIAL = "This trial does not exist any more. Go back to your trials."


async def start_trial(
    session: AsyncSession, user_id: str, *, name: str, tier_id: str
) -> TrialWorkspace:
    """A new trial of the account, which runs from now on.

    Raises InvalidRequest on the fields `name` and `tier_id`, AddressNotVerified, Suspended, and
    TrialTaken when one of this tier runs, or was had in the last twelve months.
    """
    name, tier = _parse(name, tier_id)
    owner = await lock_owner(session, user_id)
    await require_open(session, user_id)
    if owner.email_verified is None:
        raise AddressNotVerified("Open a link that we mail you; then start the trial.")
    running = await find_running(session, user_id, tier.id)
    if running is not None:
        end = day_words(running.expires_at)
        raise TrialTaken(f"Your {tier.name} trial runs until {end}. Go on with that one.")
    await take_claim(session, owner, tier)
    return await _insert(session, owner, name, tier)


async def lock_trial(session: AsyncSession, user_id: str, slug: str) -> tuple[TrialWorkspace, Life]:
    """The account's trial, which nobody else changes before this transaction ends.

    Raises NotFound for anybody else's.
    """
    await lock_owner(session, user_id)
    statement = (
        select(TrialWorkspace, DB_NOW)
        .where(TrialWorkspace.slug == slug, TrialWorkspace.owner_id == user_id)
        .with_for_update(of=TrialWorkspace)
        .execution_options(populate_existing=True)
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise NotFound(_NO_TRIAL)
    workspace, now = found
    return workspace, read_life(workspace, now=now, data_days=get_plans().trials.data_days)


async def cancel_trial(session: AsyncSession, user_id: str, slug: str, *, confirm: str) -> None:
    """End the trial for good and revoke its keys; cancelling twice changes nothing.

    `confirm` is the trial's name, typed. Raises InvalidRequest on field `confirm`,
    TrialMoveRefused and NotFound.
    """
    workspace, life = await lock_trial(session, user_id, slug)
    if life.status is Status.CANCELLED:
        return
    status = life.after(Move.CANCEL)
    if _plain(confirm) != _plain(workspace.name):
        reason = "Type the trial's name just as it is shown."
        raise InvalidRequest(reason, fields={"confirm": reason})
    workspace.status = status
    workspace.cancelled_at = DB_NOW  # type: ignore[assignment]  # the database's clock fills it in
    await _revoke_keys(session, workspace.id)


async def lock_owner(session: AsyncSession, user_id: str) -> User:
    """The account's row, locked: its keys and trials are made under the same lock.

    Raises NotFound when it was deleted, and AccountBeingErased.
    """
    owner = await session.get(User, user_id, with_for_update=True)
    if owner is None:
        raise NotFound("This account does not exist any more.")
    await refuse_erased(session, user_id)
    return owner


async def end_all(session: AsyncSession, user_id: str) -> None:
    """Cancel every trial of the account that runs, and revoke the keys of all of them."""
    owned = col(TrialWorkspace.owner_id) == user_id
    ended = update(TrialWorkspace).where(owned, col(TrialWorkspace.status) == Status.ACTIVE)
    await session.exec(ended.values(status=Status.CANCELLED, cancelled_at=DB_NOW))
    trials = select(TrialWorkspace.id).where(owned)
    revoked = update(TrialApiKey).where(
        col(TrialApiKey.workspace_id).in_(trials), col(TrialApiKey.status) == "active"
    )
    await session.exec(revoked.values(status="revoked", revoked_at=DB_NOW))


async def find_running(
    session: AsyncSession, owner_id: str, tier_id: str, *, but: str = ""
) -> TrialWorkspace | None:
    """A trial of this tier that runs, other than the one with the id `but`."""
    statement = select(TrialWorkspace).where(
        TrialWorkspace.owner_id == owner_id,
        TrialWorkspace.tier == tier_id,
        TrialWorkspace.id != but,
        TrialWorkspace.status == Status.ACTIVE,
        col(TrialWorkspace.expires_at) > DB_NOW,
    )
    return (await session.exec(statement.limit(1))).first()


async def _insert(session: AsyncSession, owner: User, name: str, tier: Tier) -> TrialWorkspace:
    """Insert it under the first free slug; one that is taken meanwhile makes it look again."""
    values = {
        "id": new_id(),
        "name": name,
        "slug": free_slug(slug_of(name)),
        "tier": tier.id,
        "status": Status.ACTIVE,
        "owner_id": owner.id,
        "expires_at": DB_NOW + timedelta(days=get_plans().trials.days),
    }
    statement = (
        insert(TrialWorkspace).values(values).on_conflict_do_nothing(index_elements=["slug"])
    )
    made: Sequence[str] = []
    while not made:
        made = (await session.exec(statement.returning(col(TrialWorkspace.id)))).scalars().all()
    return await session.get_one(TrialWorkspace, made[0])


async def _revoke_keys(session: AsyncSession, workspace_id: str) -> None:
    statement = update(TrialApiKey).where(col(TrialApiKey.workspace_id) == workspace_id)
    revoked_at = func.coalesce(TrialApiKey.revoked_at, DB_NOW)
    await session.exec(statement.values(status="revoked", revoked_at=revoked_at))


def _parse(name: str, tier_id: str) -> tuple[str, Tier]:
    fields = {}
    name = _plain(name)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        fields["name"] = f"Give the trial a name of 1 to {LONGEST_NAME} characters, such as Acme."
    tier = find_trial_tier(tier_id)
    if tier is None:
        fields["tier_id"] = "Choose one of the offered plans."
    if fields or tier is None:
        raise InvalidRequest(" ".join(fields.values()), fields=fields)
    return name, tier


def _plain(name: str) -> str:
    """The name in Unicode NFC, its blanks made single: as it is stored, and compared."""
    return " ".join(unicodedata.normalize("NFC", name).split())
