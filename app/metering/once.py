"""Work with an `Idempotency-Key` is done once: whoever asks again gets the first answer again."""

import logging
import math
from dataclasses import replace

from cryptography.fernet import InvalidToken, MultiFernet

from app.metering.asgi import ASGIApp, Receive, Scope, Send
from app.metering.call import Call
from app.metering.claims import Claim, Claims, Holder
from app.metering.group_commit import DATABASE_SECONDS
from app.metering.idempotency import digest_of, fingerprint_of, has_key, read_key
from app.metering.kept_answer import Held, KeptAnswer
from app.metering.problems import (
    AnswerNotKept,
    IdempotencyConflict,
    IdempotencyInProgress,
    QuotaExceeded,
    RecordingUnavailable,
)
from app.metering.recorder import Recorder
from app.metering.wire import DatabaseUnavailable, Line

logger = logging.getLogger(__name__)

_FETCH = b"""
SELECT answer FROM latchkey."IdempotencyRecord"
WHERE digest = decode($1, 'hex') AND "callId" = $2 AND "isDone"
"""


class Once:
    """Between `open()` and `close()` POST calls with a key pass through `enter()`."""

    def __init__(self, recorder: Recorder, *, seconds: float = DATABASE_SECONDS) -> None:
        self.claims = Claims(recorder, seconds=seconds)
        self._seconds = seconds
        self._line = Line()
        self._is_open = False

    def open(self, url: str, cipher: MultiFernet) -> None:
        """Begin; answers are kept under this cipher."""
        self.claims.open(url, cipher)
        self._line.open(url)
        self._is_open = True

    async def close(self) -> None:
        """End."""
        self._is_open = False
        await self.claims.close()
        self._line.close()

    def concerns(self, scope: Scope) -> bool:
        """Whether this request is to pass through `enter()`."""
        return self._is_open and scope["method"] == "POST" and has_key(scope["headers"])

    async def enter(self, call: Call, scope: Scope, inner: ASGIApp) -> ASGIApp:
        """What answers the call: `inner`, its key claimed, or an app that answers as before.

        For the former its units are reserved; the latter costs nothing, and is there for those
        without units too. Raises InvalidIdempotencyKey, IdempotencyConflict,
        IdempotencyInProgress, QuotaExceeded or RecordingUnavailable: then nothing is reserved.
        """
        key = read_key(scope["headers"])
        assert call.grant is not None  # noqa: S101  # its place has been taken
        lacking = _reserve(call)
        call.claim = claim = Claim(
            self.claims,
            digest_of(call.grant.owner_id, scope, key),
            fingerprint_of(scope, call.request_body),
            call.id,
            may_claim=lacking is None,
        )
        try:
            holder = await self.claims.ask(claim)
        except DatabaseUnavailable as error:
            _give_up(call)
            raise RecordingUnavailable from error
        if holder is not None and holder.is_ours:
            return _letting_go(inner, claim.held)
        _give_up(call)
        if lacking is not None and (holder is None or not holder.has_answered):
            raise lacking
        return await self._answer_again(call, claim, holder)

    async def _answer_again(self, call: Call, claim: Claim, holder: Holder | None) -> ASGIApp:
        if holder is None:
            raise IdempotencyInProgress(1)
        if not holder.is_same:
            raise IdempotencyConflict
        if not holder.is_done:
            raise IdempotencyInProgress(_wait_seconds(call, holder))
        if holder.answer_bytes is None:
            raise AnswerNotKept(holder.call_id, "its answer was too large to keep")
        held = Held(self.claims.budget)
        if not held.grow(2 * holder.answer_bytes):  # as it is stored, and as it is sent
            raise RecordingUnavailable
        try:
            answer = await self._fetch(claim.digest, holder)
        except BaseException:
            held.let_go()
            raise
        call.route = replace(call.route, units=0)
        return _letting_go(answer, held)

    async def _fetch(self, digest: bytes, holder: Holder) -> KeptAnswer:
        params: list[bytes | None] = [digest.hex().encode(), holder.call_id.encode()]
        try:
            result = await self._line.ask(_FETCH, params, seconds=self._seconds)
        except DatabaseUnavailable as error:
            raise RecordingUnavailable from error
        token = result.get_value(0, 0) if result.ntuples else None
        if token is None:  # it expired just now
            raise RecordingUnavailable
        try:
            return KeptAnswer.decrypted(self.claims.cipher, token)
        except InvalidToken as error:
            logger.error(  # noqa: TRY400  # a traceback says nothing more
                "the kept answer of call %s was encrypted with a SECRET_KEY that is not set here",
                holder.call_id,
            )
            raise AnswerNotKept(holder.call_id, "its answer cannot be read any more") from error


def _reserve(call: Call) -> QuotaExceeded | None:
    """Reserve what the route costs; the refusal if there is not so much left."""
    try:
        call.keep(call.route.units)
    except QuotaExceeded as refusal:
        return refusal
    return None


def _give_up(call: Call) -> None:
    """The call has no claim, and does no work."""
    call.claim = None
    call.keep(0)


def _wait_seconds(call: Call, holder: Holder) -> int:
    """As long again as the work takes by now; if its process is dead, until the claim lapses."""
    began_ms = int(holder.call_id.replace("-", "")[:12], 16)  # an id of a call is a UUIDv7
    lapses_in = math.ceil(holder.expires_in_ms / 1000)
    return min(math.ceil((call.created_ms - began_ms) / 1000), lapses_in)


def _letting_go(app: ASGIApp, held: Held) -> ASGIApp:
    """The app, which holds nothing any more when it has ended."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            held.let_go()

    return serve
