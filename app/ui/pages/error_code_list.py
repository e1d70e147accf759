"""The error codes of the API, with when each happens and what to do then."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorCode:
    """One code that the API answers with; its anchor on the page is the code itself."""

    status: int
    code: str
    cause: str
    remedy: str


ERROR_CODES = (
    ErrorCode(
        400,
        "bad_request",
        "The request is not well-formed HTTP.",
        "Check its first line, its headers, and the sizes of its chunks.",
    ),
    ErrorCode(
        400,
        "malformed_json",
        "The body is not valid JSON.",
        "Check quotes and commas; send UTF-8.",
    ),
    ErrorCode(
        400,
        "key_in_url",
        "A key stood in the address. Addresses end up in logs, so its owner is told by mail.",
        "Revoke that key, and send the new one in the Authorization header.",
    ),
    ErrorCode(
        400,
        "conflicting_keys",
        "Authorization and X-API-Key hold two different keys.",
        "Send one of them.",
    ),
    ErrorCode(
        401,
        "missing_key",
        "The request carries no key.",
        "Add the header Authorization: Bearer and your key.",
    ),
    ErrorCode(
        401,
        "invalid_key",
        "The key is not one of ours: mistyped, cut off, or never made.",
        "Copy it again, or create a new one under Keys.",
    ),
    ErrorCode(
        401,
        "revoked_key",
        "The key was revoked.",
        "Use another key. A revoked one does not come back.",
    ),
    ErrorCode(
        401,
        "expired_key",
        "The key's expiry has passed.",
        "Create a new key.",
    ),
    ErrorCode(
        402,
        "trial_ended",
        "The trial is over.",
        "Convert it to a plan in the portal; the same key then works again.",
    ),
    ErrorCode(
        402,
        "payment_required",
        "The plan of the key's account is unpaid, and its days of grace are over.",
        "Pay the open invoice under Billing; calls work again within seconds.",
    ),
    ErrorCode(
        403,
        "key_pending_verification",
        "The key waits for its owner's approval.",
        "Sign in, confirm your address, and approve the key under Keys.",
    ),
    ErrorCode(
        403,
        "ip_not_allowed",
        "The key does not allow calls from this IP address.",
        "Call from an allowed address, or change the key's list.",
    ),
    ErrorCode(
        403,
        "account_suspended",
        "The account is suspended.",
        "Write to the operator of this API.",
    ),
    ErrorCode(
        404,
        "not_found",
        "There is nothing at this address.",
        "Check the path and the id.",
    ),
    ErrorCode(
        404,
        "unknown_call",
        "For services: no verification began the call that is to be completed, or not for this "
        "key.",
        "Send the call_id of the verification's answer.",
    ),
    ErrorCode(
        405,
        "method_not_allowed",
        "The address exists, but not for this method.",
        "The header Allow names the methods.",
    ),
    ErrorCode(
        408,
        "request_timeout",
        "The request did not come whole in time: 10 seconds for the headers, 20 and more for "
        "the body, by its size.",
        "Send it again; it cost nothing.",
    ),
    ErrorCode(
        409,
        "idempotency_conflict",
        "The Idempotency-Key was used before: with another body, or for an answer that was not "
        "kept. detail says which.",
        "Send the same request again, or use a new key for a new request.",
    ),
    ErrorCode(
        409,
        "idempotency_in_progress",
        "The first request with this Idempotency-Key is still being answered.",
        "Wait as long as Retry-After says, then send the same request again.",
    ),
    ErrorCode(
        409,
        "id_conflict",
        "For services: another key has a call with this id.",
        "Make a new UUIDv7 for each call.",
    ),
    ErrorCode(
        413,
        "body_too_large",
        "The body is larger than this API takes.",
        "Send less at a time.",
    ),
    ErrorCode(
        415,
        "unsupported_media_type",
        "The body is not JSON, or does not say so.",
        "Set Content-Type: application/json.",
    ),
    ErrorCode(
        422,
        "invalid_request",
        "A field is missing or wrong; errors says which and why.",
        "Correct the named fields.",
    ),
    ErrorCode(
        422,
        "call_refused",
        "For services: the database refuses this one of the reported calls.",
        "Send it again once; if it stays refused, its key is gone.",
    ),
    ErrorCode(
        429,
        "rate_limited",
        "Too many requests a second for this key; or, without a key, too many reports of exposed "
        "keys from your network.",
        "Wait as long as Retry-After says; spread your calls.",
    ),
    ErrorCode(
        429,
        "quota_exceeded",
        "The units of this period, or of the trial, are used up.",
        "Wait as long as Retry-After says, or move to a larger plan; convert a trial.",
    ),
    ErrorCode(
        431,
        "headers_too_large",
        "Address and headers together are over 64 KiB.",
        "Send less: fewer cookies, a shorter query.",
    ),
    ErrorCode(
        500,
        "internal_error",
        "Something failed on our side; it is logged under the request id.",
        "Try again; it cost nothing.",
    ),
    ErrorCode(
        502,
        "upstream_error",
        "The service behind this API failed.",
        "Try again; it cost nothing.",
    ),
    ErrorCode(
        503,
        "recording_unavailable",
        "The call could not be recorded. Nearly always it was refused before any work.",
        "Try again as Retry-After says. If detail says that the outcome is unknown, send an "
        "Idempotency-Key.",
    ),
    ErrorCode(
        503,
        "no_list_loaded",
        "No watchlist is loaded yet.",
        "Try again shortly.",
    ),
    ErrorCode(
        503,
        "too_many_connections",
        "Too many connections are open.",
        "Try again as Retry-After says, with fewer connections.",
    ),
    ErrorCode(
        504,
        "upstream_timeout",
        "The service behind this API took too long.",
        "Try again; it cost nothing.",
    ),
)
"""The contract's table, by status."""
