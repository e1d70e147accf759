"""The meter's refusals, in words for the person whose program was refused."""

import math

from app.core.errors import InvalidRequest, LatchkeyError


class MissingKey(LatchkeyError):
    """No header of the request holds a key."""

    status = 401
    code = "missing_key"
    title = "API key missing"
    default_detail = "Send your API key in a header: `Authorization: Bearer <key>` or `X-API-Key`."


class InvalidKey(LatchkeyError):
    """Malformed, mistyped or unknown: the answer never says which."""

    status = 401
    code = "invalid_key"
    title = "API key not valid"
    default_detail = (
        "This API key is not valid. Check that it was copied whole, or create one in the portal."
    )


class RevokedKey(LatchkeyError):
    """The key was genuine once, and was revoked."""

    status = 401
    code = "revoked_key"
    title = "API key revoked"
    default_detail = "This API key was revoked. Use another one, or create one in the portal."


class ExpiredKey(LatchkeyError):
    """The key's own expiry, or its grace period after a rotation, has passed."""

    status = 401
    code = "expired_key"
    title = "API key expired"
    default_detail = "This API key has expired. Use its successor, or create one in the portal."


class KeyPendingVerification(LatchkeyError):
    """The key waits for its owner to verify the address and approve it."""

    status = 403
    code = "key_pending_verification"
    title = "API key not approved yet"
    default_detail = (
        "This API key waits for its owner: verify the account's email address, "
        "then approve the key on the Keys page of the portal."
    )


class IpNotAllowed(LatchkeyError):
    """The key's allow-list does not hold the caller's address."""

    status = 403
    code = "ip_not_allowed"
    title = "Address not allowed"
    default_detail = (
        "This API key may not be used from your address. "
        "Call from an allowed one, or change the key's allow-list in the portal."
    )


class AccountSuspended(LatchkeyError):
    """The operator has suspended the account that the key belongs to."""

    status = 403
    code = "account_suspended"
    title = "Account suspended"
    default_detail = "The account of this API key is suspended. Write to support to have it opened."


class TrialEnded(LatchkeyError):
    """The trial that the key belongs to is over."""

    status = 402
    code = "trial_ended"
    title = "Trial ended"
    default_detail = (
        "The trial of this API key is over. Convert it to a plan in the portal to go on."
    )


class PaymentRequired(LatchkeyError):
    """The account's plan is not paid, and the days of grace are over."""

    status = 402
    code = "payment_required"
    title = "Payment required"
    default_detail = (
        "The plan of this API key's account is not paid. Pay the open invoice on the Billing page "
        "of the portal; calls work again within seconds."
    )


class RateLimited(LatchkeyError):
    """More requests in a second than the key's plan allows."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    default_detail = (
        "This API key makes more requests per second than its plan allows. "
        "Wait as long as `Retry-After` says, and spread your requests."
    )

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(headers={"retry-after": str(max(1, math.ceil(wait_seconds)))})


class QuotaExceeded(LatchkeyError):
    """The call costs more units than are left; `wait_seconds` if waiting helps."""

    status = 429
    code = "quota_exceeded"
    title = "Quota exceeded"
    default_detail = (
        "The units of this period do not suffice for the call. "
        "Wait for the next period, or choose a larger plan in the portal."
    )

    endless_detail = (
        "The units that are left do not suffice for the call, and waiting does not help. "
        "Choose a larger plan in the portal, or convert the trial to one."
    )

    def __init__(self, wait_seconds: int | None) -> None:
        if wait_seconds is None:
            super().__init__(self.endless_detail)
        else:
            super().__init__(headers={"retry-after": str(wait_seconds)})


class KeyInUrl(LatchkeyError):
    """A key-shaped text stands in the path or the query."""

    status = 400
    code = "key_in_url"
    title = "API key in the URL"
    default_detail = (
        "The URL holds an API key, and URLs end up in logs and histories. "
        "Revoke that key, create another, and send it in a header."
    )


class ConflictingKeys(LatchkeyError):
    """Two different keys came in one request."""

    status = 400
    code = "conflicting_keys"
    title = "Two different API keys"
    default_detail = "The request holds two different API keys. Send one."


class BodyTooLarge(LatchkeyError):
    """The request's body is over the operator's limit."""

    status = 413
    code = "body_too_large"
    title = "Request body too large"

    def __init__(self, limit_bytes: int):
        super().__init__(f"The request body may have {limit_bytes:,} bytes at most. Send less.")


class InvalidIdempotencyKey(InvalidRequest):
    """The header `Idempotency-Key` cannot be used as it is."""

    default_detail = (
        "The header `Idempotency-Key` must be there once, with 1 to 255 printable ASCII characters."
    )

    def __init__(self) -> None:
        super().__init__(fields={"Idempotency-Key": self.default_detail})


class IdempotencyConflict(LatchkeyError):
    """The key was used before, for another request."""

    status = 409
    code = "idempotency_conflict"
    title = "Idempotency-Key used before"
    default_detail = (
        "This `Idempotency-Key` was used before, with another query, content type or body. "
        "Send the same request again, or use a new key for a new request."
    )


class AnswerNotKept(IdempotencyConflict):
    """The same request was answered already, but the answer cannot be given again."""

    def __init__(self, call_id: str, why: str):
        super().__init__(
            f"The request with this `Idempotency-Key` was answered as call {call_id}, and {why}, "
            "so it cannot be given again. Look that call up in your log. Nothing was done and "
            "nothing charged now; use a new key to have it done again."
        )


class IdempotencyInProgress(LatchkeyError):
    """The first request with this key is still in work, or was when its process died."""

    status = 409
    code = "idempotency_in_progress"
    title = "Still being answered"
    default_detail = (
        "The first request with this `Idempotency-Key` is still being answered. "
        "Wait as long as `Retry-After` says, then send the same request again."
    )

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(headers={"retry-after": str(max(1, wait_seconds))})


class RecordingUnavailable(LatchkeyError):
    """The call cannot be recorded, so it was refused before any work."""

    status = 503
    code = "recording_unavailable"
    title = "Calls cannot be recorded now"
    default_detail = (
        "The call cannot be recorded now, so it was refused before any work. "
        "Nothing was charged. Try again shortly."
    )

    def __init__(self) -> None:
        super().__init__(headers={"retry-after": "1"})


class TooManyBodies(RecordingUnavailable):
    """What has come of unfinished request bodies is over the bound."""

    default_detail = (
        "Too many request bodies are still on their way, so this one was refused before any work. "
        "Nothing was charged. Try again shortly, with fewer large ones at once."
    )


class OutcomeUnknown(RecordingUnavailable):
    """The work was done, and then its row could not be committed in time."""

    default_detail = (
        "The call was worked on, but its record could not be confirmed: its outcome is unknown. "
        "If it had an `Idempotency-Key`, send it again with the same one: it is charged once. "
        "If not, look for this request id in your log first, and retry with an `Idempotency-Key` "
        "from now on."
    )


class ReportUnconfirmed(RecordingUnavailable):
    """Finished calls of a service elsewhere; some of them may be committed."""

    default_detail = (
        "The calls could not all be recorded now, and some may have been. "
        "Send the whole request again: what was recorded is not counted twice."
    )


class UnknownCall(LatchkeyError):
    """A call to be completed that no verification began, or that is another key's."""

    status = 404
    code = "unknown_call"
    title = "No such call"
    default_detail = (
        "No call with this call_id was begun by /api/v1/keys/verify for this key. "
        "Send the call_id that its answer held."
    )


class IdConflict(LatchkeyError):
    """A finished call's id is that of another key's call."""

    status = 409
    code = "id_conflict"
    title = "Call id taken"
    default_detail = (
        "Another key has a call with this id. Make a new UUIDv7 for each call, and keep it "
        "for sending the call again."
    )


class CallRefused(LatchkeyError):
    """The database refuses the row, alone."""

    status = 422
    code = "call_refused"
    title = "Call cannot be recorded"
    default_detail = (
        "The database refuses this call, perhaps because its key was deleted just now. "
        "The other calls of the request do not suffer from it."
    )


class InternalError(LatchkeyError):
    """The inner app failed without an answer. What it raised is in the log only."""

    status = 500
    code = "internal_error"
    title = "Internal error"
    default_detail = (
        "Something failed on our side, and was logged under this request id. "
        "Nothing was charged. Try again."
    )


class ClientGone(LatchkeyError):
    """The client left before there was an answer; recorded as nginx does, sent to nobody."""

    status = 499
    code = "client_gone"
    title = "Client went away"
    default_detail = "The client closed the connection before the answer was ready."


class MalformedRequest(LatchkeyError):
    """What the client sent is no HTTP, or cannot be written as a request to the upstream."""

    default_detail = (
        "The request is not well-formed HTTP. "
        "Check its first line, its headers, and the sizes of its chunks."
    )


class HeadersTooLarge(LatchkeyError):
    """The request's first line and headers are over the limit."""

    status = 431
    code = "headers_too_large"
    title = "Request headers too large"

    def __init__(self, limit_bytes: int):
        super().__init__(
            f"The address and headers may have {limit_bytes:,} bytes together. Send less."
        )


class RequestTooSlow(LatchkeyError):
    """The request did not come whole in the time that there is for it."""

    status = 408
    code = "request_timeout"
    title = "Request too slow"
    default_detail = (
        "The request did not come whole in time, so it was refused before any work. "
        "Nothing was charged. Send it again."
    )


class TooManyConnections(LatchkeyError):
    """More connections are open, or requests wait on one, than this process takes."""

    status = 503
    code = "too_many_connections"
    title = "Too many connections"
    default_detail = (
        "Too many connections are open, so nothing was taken from this one. "
        "Nothing was charged. Try again shortly, with fewer of them."
    )

    def __init__(self) -> None:
        super().__init__(headers={"retry-after": "1"})


class MethodNotAllowed(LatchkeyError):
    """A method that the route does not take, or that is never forwarded."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    default_detail = "This method is not taken here. See `Allow` for those that are."

    def __init__(self, allow: str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") -> None:
        super().__init__(headers={"allow": allow})


class UpstreamError(LatchkeyError):
    """The upstream was not reached, broke off, or answered what is no HTTP."""

    status = 502
    code = "upstream_error"
    title = "The service behind this API failed"
    default_detail = (
        "The service behind this API failed. Nothing was charged. Whether it did the work is "
        "not known. Try again shortly."
    )


class UpstreamTimeout(LatchkeyError):
    """The upstream did not answer in time."""

    status = 504
    code = "upstream_timeout"
    title = "The service behind this API took too long"
    default_detail = (
        "The service behind this API took too long. Nothing was charged. Whether it did the "
        "work is not known. Try again shortly."
    )
