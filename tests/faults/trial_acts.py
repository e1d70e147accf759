"""What is done to trials by code of ours, and how the database is asked what has become of it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.errors import LatchkeyError
from app.flows.trial_conversion import convert_trial
from app.keys.service import NewKey
from app.trials import keys as trial_keys
from app.trials.extend import extend_trial
from app.trials.service import cancel_trial
from tests.billing.facts import subscription
from tests.faults.trial_model import EXTENSION_DAYS, OK, Customer, Trial


async def _convert(session: AsyncSession, trial: Trial) -> object:
    return await convert_trial(session, trial.owner.id, trial.slug)


async def _cancel(session: AsyncSession, trial: Trial) -> None:
    await cancel_trial(session, trial.owner.id, trial.slug, confirm=trial.name)


async def _make_key(session: AsyncSession, trial: Trial) -> NewKey:
    return await trial_keys.create_key(session, trial.owner.id, trial.slug, label="Test")


async def _revoke_key(session: AsyncSession, trial: Trial) -> None:
    key_id = trial.keys[0].id if trial.keys else "none"
    await trial_keys.revoke_key(session, trial.owner.id, trial.slug, key_id)


async def _extend(session: AsyncSession, trial: Trial) -> None:
    await extend_trial(session, trial.slug, days=EXTENSION_DAYS, reason="Test")


ACTS: dict[str, Callable[[AsyncSession, Trial], Awaitable[Any]]] = {
    "convert": _convert,
    "cancel": _cancel,
    "make_key": _make_key,
    "revoke_key": _revoke_key,
    "extend": _extend,
}


def bought(customer: Customer, tier: str, **more: Any) -> Any:
    """The customer's subscription, as Stripe says it."""
    now = utc_now()
    return subscription(
        id=f"sub_{customer.id}",
        customer_id=f"cus_{customer.id}",
        price_id=f"sandbox_price_{tier}_month",
        period_start=now - timedelta(days=1),
        period_end=now + timedelta(days=29),
        **more,
    )


def outcome_of(end: Any) -> str:
    """What it came to, in the model's words."""
    if isinstance(end, LatchkeyError):
        return end.code
    if isinstance(end, BaseException):
        raise end
    return OK


PASS = """
    WITH claimed AS (
        UPDATE latchkey."TrialClaim" SET "takenAt" = "takenAt" - make_interval(hours => %(hours)s)
    ), wished AS (
        UPDATE latchkey."TrialDetail"
        SET "wishedAt" = "wishedAt" - make_interval(hours => %(hours)s)
        WHERE "workspaceId" = ANY (%(ids)s)
    )
    UPDATE "TrialWorkspace" SET "expiresAt" = "expiresAt" - make_interval(hours => %(hours)s)
    WHERE id = ANY (%(ids)s)
"""
END_NOW = 'UPDATE "TrialWorkspace" SET "expiresAt" = now() AT TIME ZONE \'UTC\' WHERE id = %s'
LIVE_ID = 'SELECT id FROM "ApiKeyMetadata" WHERE "keyHash" = %s'
JOBS = """
    SELECT id, args FROM latchkey.procrastinate_jobs
    WHERE task_name = %s AND args ->> 'user_id' = %s AND id > %s
"""
TRIALS = """
    SELECT one.id, status, status = 'active' AND "expiresAt" > now() AT TIME ZONE 'UTC',
        ARRAY(SELECT key.status FROM "TrialApiKey" AS key WHERE key."workspaceId" = one.id
            ORDER BY key.status COLLATE "C")
    FROM "TrialWorkspace" AS one WHERE one.id = ANY (%s)
"""
LIVE = """
    SELECT live."keyHash", live."userId", live.label,
        CASE live.status WHEN 'active' THEN live.tier ELSE live.status END, detail."trialKeyId"
    FROM "ApiKeyMetadata" AS live
    LEFT JOIN latchkey."ApiKeyDetail" AS detail ON detail."keyId" = live.id
    WHERE live."userId" = ANY (%s) ORDER BY live."keyHash" COLLATE "C"
"""
CALLS = """
    SELECT call.id, detail."trialKeyId", true
    FROM "ApiCall" AS call JOIN latchkey."ApiKeyDetail" AS detail
        ON detail."keyId" = call."apiKeyId" AND detail."trialKeyId" = ANY (%s)
    UNION ALL
    SELECT id, "apiKeyId", false FROM latchkey."TrialApiCall" WHERE "apiKeyId" = ANY (%s)
"""
