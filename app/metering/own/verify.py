"""`POST /api/v1/keys/verify`: a service elsewhere asks whether a key may make a call."""

from collections.abc import Collection
from datetime import UTC, datetime

from app.core.errors import LatchkeyError
from app.metering.admission import Admission
from app.metering.answer import Answer
from app.metering.asgi import Message, Receive, Scope, Send
from app.metering.call import Call
from app.metering.credentials import key_in_url
from app.metering.own.endpoint_names import EndpointNames
from app.metering.own.http import parsed, read_json_bytes, with_id
from app.metering.own.root_keys import require_root_key
from app.metering.own.schemas import Verdict, VerifyQuestion, holds_key
from app.metering.problems import InvalidKey, KeyInUrl, RecordingUnavailable
from app.metering.recorder import Recorder
from app.metering.replies import send_json, send_problem
from app.metering.routes import OTHER, Route

BODY_BYTES = 16 * 1024
"""The most that a question may have."""

STATUS_BEGUN = 0
"""The status of a call that is allowed, until the service says how it ended."""


class Verify:
    """Lets calls in as the meter does, on behalf of a service that answers them itself."""

    def __init__(
        self,
        admission: Admission,
        recorder: Recorder,
        names: EndpointNames,
        *,
        root_keys: Collection[bytes],
    ) -> None:
        self._admission = admission
        self._recorder = recorder
        self._names = names
        self._root_keys = root_keys

    async def answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Serve one request. Its id is that of the call's row, also where that is in doubt."""
        require_root_key(scope, self._root_keys)
        body = await read_json_bytes(scope, receive, limit_bytes=BODY_BYTES)
        question = parsed(body, VerifyQuestion)
        route = Route(OTHER.template, question.units)
        call = self._admission.begin(question.method, route)
        try:
            verdict = await self._verdict(call, question)
        except RecordingUnavailable as error:
            await send_problem(error, call.id, scope, with_id(send, call.id))
        else:
            answer = verdict.model_dump_json().encode()
            await send_json(answer, [(b"x-request-id", call.id.encode())], scope, send)

    async def _verdict(self, call: Call, question: VerifyQuestion) -> Verdict:
        """Raises RecordingUnavailable; by then the call may have been recorded."""
        leaked = key_in_url({"path": question.endpoint})
        if leaked is not None:
            await self._admission.note_leak(leaked)
        await self._admission.look_up(call, question.key)
        if call.grant is None:
            return Verdict(valid=False, code=InvalidKey.code)
        if question.record:
            return await self._begin(call, question)
        try:
            _check_endpoint(question)
            self._admission.look(call, _as_called(question))
        except LatchkeyError as refusal:
            return _verdict_on(call, refusal, is_recorded=False)
        return _verdict_on(call, None, is_recorded=False)

    async def _begin(self, call: Call, question: VerifyQuestion) -> Verdict:
        answer = Answer(call, _nobody, self._recorder)
        try:
            _check_endpoint(question)
            name = await self._names.name_of(question.endpoint)
            call.route = Route(name, question.units)
            self._admission.admit(call, _as_called(question))
            answer.take_place()
            call.admit()
        except RecordingUnavailable:
            raise
        except LatchkeyError as refusal:
            await answer.record_refusal(refusal.status, is_early=True)
            return _verdict_on(call, refusal)
        await answer.record(STATUS_BEGUN)
        return _verdict_on(call, None)


def _check_endpoint(question: VerifyQuestion) -> None:
    if holds_key(question.endpoint):
        raise KeyInUrl


def _as_called(question: VerifyQuestion) -> Scope:
    """Where the call comes from, as its own connection would say it."""
    return {"client": (question.ip, 0) if question.ip else None, "headers": []}


def _verdict_on(call: Call, refusal: LatchkeyError | None, *, is_recorded: bool = True) -> Verdict:
    grant, quota = call.grant, call.quota
    assert grant is not None  # noqa: S101  # a call without one gets no verdict here
    assert quota is not None  # noqa: S101  # it comes with the grant
    ends = datetime.fromtimestamp(quota.ends_ms / 1000, UTC) if quota.ends_ms else None
    return Verdict(
        valid=refusal is None,
        code=refusal and refusal.code,
        call_id=call.id if is_recorded else None,
        key_id=grant.key_id,
        tier=grant.tier,
        owner_id=grant.owner_id,
        remaining=quota.remaining(grant.terms.units),
        reset_at=ends,
    )


async def _nobody(_: Message) -> None:
    """The call's own answer is the service's to give."""
