"""The tables: the document's nine, and ours in the schema `latchkey`. One file each."""

from app.models.account import Account
from app.models.allowance import Allowance
from app.models.api_call import ApiCall
from app.models.api_key_detail import ApiKeyDetail
from app.models.api_key_metadata import ApiKeyMetadata
from app.models.billing_account import BillingAccount
from app.models.billing_notice import BillingNotice
from app.models.call_note import CallNote
from app.models.deleted_key import DeletedKey
from app.models.endpoint_name import EndpointName
from app.models.erasure import Erasure
from app.models.idempotency_record import IdempotencyRecord
from app.models.key_exposure import KeyExposure
from app.models.key_last_use import KeyLastUse
from app.models.key_leak import KeyLeak
from app.models.oauth_state_use import OAuthStateUse
from app.models.record import Record, insert_parents_first
from app.models.session import Session
from app.models.session_detail import SessionDetail
from app.models.sign_in_link import SignInLink
from app.models.stripe_event import StripeEvent
from app.models.subscription import Subscription
from app.models.trial_api_call import TrialApiCall
from app.models.trial_api_key import TrialApiKey
from app.models.trial_api_key_detail import TrialApiKeyDetail
from app.models.trial_claim import TrialClaim
from app.models.trial_detail import TrialDetail
from app.models.trial_extension import TrialExtension
from app.models.trial_notice import TrialNotice
from app.models.trial_workspace import TrialWorkspace
from app.models.usage_delta import UsageDelta
from app.models.usage_hour import UsageHour
from app.models.usage_period import UsagePeriod
from app.models.user import User
from app.models.user_detail import UserDetail
from app.models.verification_token import VerificationToken

__all__ = [
    "Account",
    "Allowance",
    "ApiCall",
    "ApiKeyDetail",
    "ApiKeyMetadata",
    "BillingAccount",
    "BillingNotice",
    "CallNote",
    "DeletedKey",
    "EndpointName",
    "Erasure",
    "IdempotencyRecord",
    "KeyExposure",
    "KeyLastUse",
    "KeyLeak",
    "OAuthStateUse",
    "Record",
    "Session",
    "SessionDetail",
    "SignInLink",
    "StripeEvent",
    "Subscription",
    "TrialApiCall",
    "TrialApiKey",
    "TrialApiKeyDetail",
    "TrialClaim",
    "TrialDetail",
    "TrialExtension",
    "TrialNotice",
    "TrialWorkspace",
    "UsageDelta",
    "UsageHour",
    "UsagePeriod",
    "User",
    "UserDetail",
    "VerificationToken",
]

insert_parents_first(
    [
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
        UsageDelta,
        UsageHour,
        UsagePeriod,
        KeyExposure,
        KeyLastUse,
        KeyLeak,
        OAuthStateUse,
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
        User,
        UserDetail,
        VerificationToken,
    ]
)
