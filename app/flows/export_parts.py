"""What an export holds: each file, whose rows it takes, and what of them stays here and why."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Label, Select, inspect
from sqlmodel import col, func, or_, select

from app.models import (
    Account,
    Allowance,
    ApiCall,
    ApiKeyDetail,
    ApiKeyMetadata,
    BillingAccount,
    BillingNotice,
    CallNote,
    DeletedKey,
    EndpointName,
    Erasure,
    IdempotencyRecord,
    KeyExposure,
    KeyLastUse,
    KeyLeak,
    OAuthStateUse,
    Record,
    Session,
    SessionDetail,
    SignInLink,
    StripeEvent,
    Subscription,
    TrialApiCall,
    TrialApiKey,
    TrialApiKeyDetail,
    TrialClaim,
    TrialDetail,
    TrialExtension,
    TrialNotice,
    TrialWorkspace,
    UsageDelta,
    UsageHour,
    UsagePeriod,
    User,
    UserDetail,
    VerificationToken,
)
from app.trials.claims import subjects_of

Model = type[Record]
Statement = Select[Any]

DIGEST = "a digest that opens the door; of no use to you"
SEALED = "a provider's token, encrypted"
OURS = "how we work on it, nothing about you"

LEFT_OUT: Mapping[Model, str] = {
    Allowance: "how often digests of addresses and networks asked lately, kept for hours",
    EndpointName: "names of routes, of nobody",
    Erasure: "there only once the account is being deleted",
    IdempotencyRecord: "encrypted copies of answers in calls.ndjson, kept for a day",
    OAuthStateUse: "digests of browsers' states, of nobody, kept for minutes",
    UsageDelta: "added to usage_hours.ndjson before it is read",
    VerificationToken: "digests of links' tokens; what was asked for is in sign_in_links.json",
}
"""Tables that no file is of, with the reason."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `rows`: its statement for a user, which names every column.

    `models`: the tables that it shows. `withheld`: their attributes that it does not, with the
    reason; ids that only lead from one row to the other are not named there.
    """

    file: str
    about: str
    models: tuple[Model, ...]
    rows: Callable[[User], Statement]
    withheld: Mapping[str, str] = field(default_factory=dict)


def columns(model: Model, *, but: Iterable[str] = (), prefix: str = "") -> list[Label[Any]]:
    """All columns of a table but these, by our names for them."""
    hidden = frozenset(but)
    names = [one.key for one in inspect(model).column_attrs if one.key not in hidden]
    return [getattr(model, name).label(prefix + name) for name in names]


def _of(model: Model, user_column: Any, *, but: Iterable[str] = ()) -> Callable[[User], Statement]:
    """The rows of one table that hold the user's id in this column."""

    def rows(user: User) -> Statement:
        return select(*columns(model, but=but)).where(user_column == user.id)

    return rows


def _account(user: User) -> Statement:
    return (
        select(*columns(User), *columns(UserDetail, but=["user_id"]))
        .join(UserDetail, col(UserDetail.user_id) == col(User.id), isouter=True)
        .where(col(User.id) == user.id)
    )


def _sessions(user: User) -> Statement:
    return (
        select(
            *columns(Session, but=["user_id", "session_token"]),
            *columns(SessionDetail, but=["session_id"]),
        )
        .join(SessionDetail, col(SessionDetail.session_id) == col(Session.id), isouter=True)
        .where(Session.user_id == user.id)
    )


def _links(user: User) -> Statement:
    shown = columns(SignInLink, but=["browser_hash", "token_hash"])
    return select(*shown).where(func.lower(SignInLink.email) == func.lower(user.email))


def _keys(user: User) -> Statement:
    shown = [
        *columns(ApiKeyMetadata, but=["user_id", "key_hash"]),
        *columns(ApiKeyDetail, but=["key_id"]),
    ]
    return (
        _with_use(select(*shown, *_USE), col(ApiKeyMetadata.id))
        .join(ApiKeyDetail, col(ApiKeyDetail.key_id) == col(ApiKeyMetadata.id), isouter=True)
        .where(col(ApiKeyMetadata.user_id) == user.id)
    )


def _trial_keys(user: User) -> Statement:
    shown = [*columns(TrialApiKey, but=["key_hash"]), *columns(TrialApiKeyDetail, but=["key_id"])]
    return (
        _with_use(select(*shown, *_USE), col(TrialApiKey.id))
        .join(TrialApiKeyDetail, col(TrialApiKeyDetail.key_id) == col(TrialApiKey.id), isouter=True)
        .where(col(TrialApiKey.workspace_id).in_(_trial_ids(user)))
    )


_USE = [
    *columns(KeyLastUse, but=["key_id"]),
    *columns(KeyLeak, but=["key_id"], prefix="leak_"),
    *columns(KeyExposure, but=["key_id"], prefix="exposure_"),
]


def _with_use(statement: Statement, key_id: Any) -> Statement:
    """When each key was last used, last seen in a URL, and reported as exposed."""
    for model in (KeyLastUse, KeyLeak, KeyExposure):
        statement = statement.join(model, col(model.key_id) == key_id, isouter=True)
    return statement


def _trials(user: User) -> Statement:
    return (
        select(
            *columns(TrialWorkspace, but=["owner_id"]), *columns(TrialDetail, but=["workspace_id"])
        )
        .join(TrialDetail, col(TrialDetail.workspace_id) == col(TrialWorkspace.id), isouter=True)
        .where(TrialWorkspace.owner_id == user.id)
    )


def _of_trials(model: Any) -> Callable[[User], Statement]:
    def rows(user: User) -> Statement:
        return select(*columns(model)).where(col(model.workspace_id).in_(_trial_ids(user)))

    return rows


def _claims(user: User) -> Statement:
    return select(*columns(TrialClaim)).where(col(TrialClaim.subject).in_(subjects_of(user)))


def _events(user: User) -> Statement:
    customer = select(Subscription.stripe_customer_id).where(Subscription.user_id == user.id)
    shown = columns(StripeEvent, but=_OUR_WORK)
    return select(*shown).where(col(StripeEvent.stripe_customer_id).in_(customer))


def _hours(user: User) -> Statement:
    ids = _key_ids(user)
    is_theirs = or_(*(col(UsageHour.key_id).in_(one) for one in ids))
    return select(*columns(UsageHour)).where(is_theirs)


def _scopes(model: Any) -> Callable[[User], Statement]:
    def rows(user: User) -> Statement:
        is_theirs = or_(model.scope_id == user.id, col(model.scope_id).in_(_trial_ids(user)))
        return select(*columns(model)).where(is_theirs)

    return rows


def _calls(model: Any, place: int) -> Callable[[User], Statement]:
    """A log of calls, key by key and in the order of time, as its index has it."""

    def rows(user: User) -> Statement:
        shown = [*columns(model), *columns(CallNote, but=["call_id"])]
        return (
            select(*shown)
            .join(CallNote, col(CallNote.call_id) == col(model.id), isouter=True)
            .where(col(model.api_key_id).in_(_key_ids(user)[place]))
        )

    return rows


def _trial_ids(user: User) -> Any:
    return select(TrialWorkspace.id).where(TrialWorkspace.owner_id == user.id)


def _key_ids(user: User) -> tuple[Any, Any]:
    live = select(ApiKeyMetadata.id).where(ApiKeyMetadata.user_id == user.id)
    trial = select(TrialApiKey.id).where(col(TrialApiKey.workspace_id).in_(_trial_ids(user)))
    return live, trial


_TOKENS = ("refresh_token", "access_token", "id_token", "session_state")
_LEASE = ("lease_holder", "lease_ends_at", "acts")
_OUR_WORK = ("state", "note", "attempts", "next_try_at")
_HASH = {"key_hash": DIGEST}

PARTS = (
    Part("account.json", "your account", (User, UserDetail), _account),
    Part(
        "identities.json",
        "the providers that you sign in with",
        (Account,),
        _of(Account, Account.user_id, but=_TOKENS),
        dict.fromkeys(_TOKENS, SEALED),
    ),
    Part(
        "sessions.json",
        "where you are signed in",
        (Session, SessionDetail),
        _sessions,
        {"session_token": DIGEST},
    ),
    Part(
        "sign_in_links.json",
        "sign-in links that were asked for and not used, of the last day",
        (SignInLink,),
        _links,
        {"browser_hash": DIGEST, "token_hash": DIGEST},
    ),
    Part(
        "keys.json",
        "your keys, with their last use",
        (ApiKeyMetadata, ApiKeyDetail, KeyLastUse, KeyLeak, KeyExposure),
        _keys,
        _HASH,
    ),
    Part("deleted_keys.json", "keys that are gone", (DeletedKey,), _scopes(DeletedKey)),
    Part("trials.json", "your trials", (TrialWorkspace, TrialDetail), _trials),
    Part(
        "trial_keys.json",
        "your trials' keys, with their last use",
        (TrialApiKey, TrialApiKeyDetail, KeyLastUse, KeyLeak, KeyExposure),
        _trial_keys,
        _HASH,
    ),
    Part(
        "trial_extensions.json",
        "how we made your trials longer",
        (TrialExtension,),
        _of_trials(TrialExtension),
    ),
    Part("trial_notices.json", "mails about your trials", (TrialNotice,), _of_trials(TrialNotice)),
    Part("trial_claims.json", "that you had a trial of each plan", (TrialClaim,), _claims),
    Part(
        "subscription.json",
        "your plan, as the payment provider has it",
        (Subscription,),
        _of(Subscription, Subscription.user_id),
    ),
    Part(
        "billing.json",
        "what we know of your payments",
        (BillingAccount,),
        _of(BillingAccount, BillingAccount.user_id, but=_LEASE),
        dict.fromkeys(_LEASE, OURS),
    ),
    Part(
        "billing_notices.json",
        "mails about your payments",
        (BillingNotice,),
        _of(BillingNotice, BillingNotice.user_id),
    ),
    Part(
        "payment_events.ndjson",
        "what the payment provider told us of you, of the last 90 days",
        (StripeEvent,),
        _events,
        dict.fromkeys(_OUR_WORK, OURS),
    ),
    Part(
        "usage_periods.json",
        "calls and units by month, and by trial",
        (UsagePeriod,),
        _scopes(UsagePeriod),
    ),
    Part("usage_hours.ndjson", "calls and units by hour", (UsageHour,), _hours),
    Part("calls.ndjson", "every call that we keep", (ApiCall, CallNote), _calls(ApiCall, 0)),
    Part(
        "trial_calls.ndjson",
        "every call of your trials that we keep",
        (TrialApiCall, CallNote),
        _calls(TrialApiCall, 1),
    ),
)
