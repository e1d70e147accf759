"""Erasing an account: at once nothing of it works, then a job removes it bit by bit."""

from dataclasses import dataclass

from sqlalchemy import TextClause, func, text
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import erasures
from app.accounts.step_up import require_recent
from app.billing import leaving
from app.core import outbox
from app.core.database import unit_of_work
from app.core.errors import InvalidRequest, NotFound
from app.keys import service as keys
from app.models import (
    ApiKeyMetadata,
    BillingNotice,
    Session,
    SignInLink,
    StripeEvent,
    TrialApiKey,
    TrialNotice,
    TrialWorkspace,
    User,
    VerificationToken,
)
from app.trials import service as trials

_DELETE_LEFT = (
    text('DELETE FROM latchkey."UsageHour" WHERE "keyId" = ANY (CAST(:keys AS text[]))'),
    text('DELETE FROM latchkey."KeyLastUse" WHERE "keyId" = ANY (CAST(:keys AS text[]))'),
    text('DELETE FROM latchkey."KeyLeak" WHERE "keyId" = ANY (CAST(:keys AS text[]))'),
    text('DELETE FROM latchkey."KeyExposure" WHERE "keyId" = ANY (CAST(:keys AS text[]))'),
    text('DELETE FROM latchkey."UsagePeriod" WHERE "scopeId" = ANY (CAST(:scopes AS text[]))'),
    # what the deletion itself has just left behind, for sweeps
    text('DELETE FROM latchkey."DeletedKey" WHERE "scopeId" = ANY (CAST(:scopes AS text[]))'),
    # what nodes told each other of the keys; of no use after a second
    text('DELETE FROM latchkey."RateReport" WHERE digests && CAST(:digests AS text[])'),
)
"""What has no foreign key and was written since the steps before: a few rows."""


async def begin_erasure(
    session: AsyncSession, user_id: str, session_id: str, *, confirm: str
) -> None:
    """From this commit on no key and no session of the account works; the rest is a job's.

    `confirm` is the account's address, typed. Raises StepUpNeeded, and InvalidRequest on field
    `confirm`. Asked for twice, it is done once.
    """
    await require_recent(session, session_id)
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound
    if confirm.strip().lower() != user.email.lower():
        words = "Type the address of this account, as it stands above."
        raise InvalidRequest(words, fields={"confirm": words})
    await stop(session, user_id)
    await erasures.note(session, user_id)


async def stop(session: AsyncSession, user_id: str) -> None:
    """Let nothing of the account work any more. An act that overlaps with it is stopped next."""
    await keys.revoke_all(session, user_id)
    await trials.end_all(session, user_id)
    await session.exec(delete(Session).where(col(Session.user_id) == user_id))
    await _forget_links(session, user_id)


async def finish(due: erasures.Due, *, is_customer_gone: bool) -> None:
    """Delete the account itself, and with it what is still there. One transaction.

    Where Stripe has not deleted its customer yet, the erasure stays, to be tried again.
    """
    async with unit_of_work() as session:
        if await session.get(User, due.user_id, with_for_update=True) is None:
            return
        ids = await _read_ids(session, due.user_id)
        await _forget_links(session, due.user_id)
        if ids.customer is not None:
            events = delete(StripeEvent).where(col(StripeEvent.stripe_customer_id) == ids.customer)
            await session.exec(events)
        await session.exec(delete(User).where(col(User.id) == due.user_id))
        connection = await session.connection()
        for statement in _DELETE_LEFT:
            await connection.execute(statement, ids.params_of(statement))
        await outbox.forget(session, ids.all)
        if is_customer_gone:
            await erasures.forget(session, due.id)
        else:
            await erasures.keep_customer(session, due.id, ids.customer)
            await erasures.put_off(session, due.id)


@dataclass(frozen=True, slots=True)
class _Ids:
    """What an account is known by in tables that do not go with it."""

    customer: str | None
    scopes: list[str]
    keys: list[str]
    digests: list[str]
    notices: list[str]

    @property
    def all(self) -> list[str]:
        """Every id."""
        return [*self.keys, *self.scopes, *self.notices, *filter(None, [self.customer])]

    def params_of(self, statement: TextClause) -> dict[str, list[str]]:
        """Those that the statement asks for."""
        known = {"keys": self.keys, "scopes": self.scopes, "digests": self.digests}
        return {name: known[name] for name in statement.compile().params}


async def _read_ids(session: AsyncSession, user_id: str) -> _Ids:
    trial_ids = select(TrialWorkspace.id).where(TrialWorkspace.owner_id == user_id)
    live = await session.exec(
        select(ApiKeyMetadata.id, ApiKeyMetadata.key_hash).where(ApiKeyMetadata.user_id == user_id)
    )
    trial = await session.exec(
        select(TrialApiKey.id, TrialApiKey.key_hash).where(
            col(TrialApiKey.workspace_id).in_(trial_ids)
        )
    )
    found = [*live.all(), *trial.all()]
    notices = [
        *(await session.exec(select(BillingNotice.id).where(BillingNotice.user_id == user_id))),
        *(
            await session.exec(
                select(TrialNotice.id).where(col(TrialNotice.workspace_id).in_(trial_ids))
            )
        ),
    ]
    return _Ids(
        customer=await leaving.find_known_customer(session, user_id),
        scopes=[user_id, *(await session.exec(trial_ids))],
        keys=[key_id for key_id, _ in found],
        digests=[digest for _, digest in found],
        notices=notices,
    )


async def _forget_links(session: AsyncSession, user_id: str) -> None:
    """Links that were asked for with its address: nobody signs in with one."""
    address = select(func.lower(User.email)).where(User.id == user_id).scalar_subquery()
    for model, column in (
        (VerificationToken, VerificationToken.identifier),
        (SignInLink, SignInLink.email),
    ):
        await session.exec(delete(model).where(func.lower(column) == address))
