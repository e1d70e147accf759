"""Customers with a row in every table, and where anything of them is to be found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.crypto import new_token, sha256_hex
from app.models import (
    Account,
    ApiKeyMetadata,
    BillingAccount,
    BillingNotice,
    CallNote,
    DeletedKey,
    IdempotencyRecord,
    KeyLastUse,
    KeyLeak,
    Record,
    StripeEvent,
    Subscription,
    TrialApiKey,
    TrialClaim,
    TrialDetail,
    TrialExtension,
    TrialNotice,
    TrialWorkspace,
    User,
    UserDetail,
)
from app.trials.claims import subjects_of
from tests.factories import (
    make_call,
    make_key,
    make_session,
    make_sign_in_link,
    make_subscription,
    make_trial_call,
    make_trial_key,
    make_workspace,
)

NOW = utc_now().replace(microsecond=0)


@dataclass
class Customer:
    """A customer, and what only they are known by: `names` they may see, `secrets` nobody."""

    user: User
    session_id: str
    cookie: str
    key: ApiKeyMetadata
    trial: TrialWorkspace
    trial_key: TrialApiKey
    customer_id: str
    names: set[str]
    secrets: set[str]


async def furnish(session: AsyncSession, user: User) -> Customer:
    """Give this user something of everything."""
    mark = new_token()[:12]
    user.name, user.company = f"name-{mark}", f"company-{mark}"
    session.add(user)
    row, cookie = await make_session(session, user)
    link, link_token, browser = await make_sign_in_link(session, user.email.lower())
    key, _ = await make_key(session, user, label=f"key-{mark}", detail={"allowed_ips": ["::1"]})
    trial = await make_workspace(session, user, name=f"trial-{mark}")
    trial_key, _ = await make_trial_key(session, trial, label=f"trial-key-{mark}")
    bought = await _subscription(session, user)
    call = await make_call(session, key, request_body={"name": f"live-body-{mark}"})
    trial_call = await make_trial_call(session, trial_key, response_body=f"trial-body-{mark}")
    marked = _marked(user, trial, mark)
    for one in [
        *marked,
        *_plain(user, key, trial, trial_key, mark),
        *(CallNote(call_id=one.id, times=3) for one in (call, trial_call)),
        *(_answer(one.id, mark) for one in (call, trial_call)),
        StripeEvent(
            id=f"evt_{mark}", type="customer.updated", payload=f"payload-{mark}", state="applied",
            stripe_customer_id=bought.stripe_customer_id,
        ),
    ]:  # fmt: skip
        session.add(one)
    await session.flush()
    names = {
        user.id, user.email, user.name, user.company, row.id, link.id, key.id, f"key-{mark}",
        trial.id, trial.slug, trial.name, trial_key.id, f"trial-key-{mark}", f"gone-{mark}",
        bought.stripe_customer_id, call.id, trial_call.id, f"live-body-{mark}",
        f"trial-body-{mark}", f"subject-{mark}", f"reason-{mark}", f"details-{mark}",
        f"evt_{mark}", f"payload-{mark}", *(one.id for one in marked),
    }  # fmt: skip
    secrets = {
        f"oauth-{mark}", row.session_token, cookie, sha256_hex(link_token), sha256_hex(browser),
        key.key_hash, trial_key.key_hash,
    }  # fmt: skip
    at_stripe = bought.stripe_customer_id
    return Customer(user, row.id, cookie, key, trial, trial_key, at_stripe, names, secrets)


async def _subscription(session: AsyncSession, user: User) -> Subscription:
    """The one that was bought at the sandbox, or one that only we know of."""
    found = await session.exec(select(Subscription).where(Subscription.user_id == user.id))
    row = found.one_or_none()
    if row is None:
        row = await make_subscription(session, user, stripe_customer_id=f"cus_{new_token()[:12]}")
        session.add(BillingAccount(user_id=user.id, tier="standard"))
    return row


def _marked(
    user: User, trial: TrialWorkspace, mark: str
) -> list[Account | BillingNotice | TrialExtension | TrialNotice]:
    """Rows with ids of their own."""
    later = NOW + timedelta(days=3)
    return [
        Account(user_id=user.id, type="oidc", provider="some", access_token=f"oauth-{mark}",
                provider_account_id=f"subject-{mark}"),
        BillingNotice(user_id=user.id, occasion=mark, kind="plan_changed",
                      details={"plan": f"details-{mark}"}),
        TrialExtension(workspace_id=trial.id, days=3, reason=f"reason-{mark}", ended_at=NOW,
                       ends_at=later),
        TrialNotice(workspace_id=trial.id, kind="ended", ends_at=later),
    ]  # fmt: skip


def _plain(
    user: User, key: ApiKeyMetadata, trial: TrialWorkspace, trial_key: TrialApiKey, mark: str
) -> list[Record]:
    return [
        UserDetail(user_id=user.id, log_seen_at=NOW),
        TrialDetail(workspace_id=trial.id, wished_at=NOW),
        DeletedKey(key_id=f"gone-{mark}", scope_id=user.id, deleted_at=NOW),
        *(KeyLastUse(key_id=one, last_used_at=NOW) for one in (key.id, trial_key.id)),
        *(
            KeyLeak(key_id=one, first_seen_at=NOW, last_seen_at=NOW, times=2)
            for one in (key.id, trial_key.id)
        ),
        *(TrialClaim(subject=one, tier="standard", taken_at=NOW) for one in subjects_of(user)),
    ]


def _answer(call_id: str, mark: str) -> IdempotencyRecord:
    return IdempotencyRecord(
        digest=new_token().encode(), fingerprint=b"", call_id=call_id, is_done=True,
        answer=f"answer-{mark}", expires_at=NOW + timedelta(days=1),
    )  # fmt: skip


def found_in(url: str, values: Iterable[str]) -> dict[str, set[str]]:
    """Which of these values stand anywhere in which table of the database."""
    wanted = sorted(values)
    found = {}
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(_TABLES).fetchall():
            statement = sql.SQL(
                "SELECT DISTINCT v FROM {} AS t, unnest(%s::text[]) AS v "
                "WHERE strpos(lower(to_jsonb(t)::text), lower(v)) > 0"
            ).format(sql.Identifier(schema, table))
            if rows := connection.execute(statement, [wanted]).fetchall():
                found[table] = {row[0] for row in rows}
    return found


_TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
