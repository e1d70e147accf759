"""`POST /api/v1/calls`: a service elsewhere reports the calls that it has finished."""

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any

from app.core.crypto import sha256_hex
from app.core.errors import InvalidRequest, LatchkeyError
from app.keys.format import is_well_formed
from app.metering.asgi import Receive, Scope, Send
from app.metering.own.endpoint_names import EndpointNames
from app.metering.own.finished_calls import Completion, Finished, FinishedCalls
from app.metering.own.http import checked, parsed, read_json_bytes
from app.metering.own.root_keys import require_root_key
from app.metering.own.schemas import (
    CallOutcome,
    CallsAnswer,
    CallsQuestion,
    CompletedCall,
    FinishedCall,
    holds_key,
)
from app.metering.problems import IdConflict, InvalidKey, KeyInUrl, UnknownCall
from app.metering.redaction import Mode, stored_body
from app.metering.replies import send_json

BODY_BYTES = 4 * 1024 * 1024
"""The most that a report may have, whatever MAX_BODY_BYTES says of customers' calls."""

_QUICKLY_READ_BYTES = 64 * 1024
_FIRST_FREE_STATUS = 400
_WRONG_TIME = InvalidRequest(fields={"id": "Its time must be within the last 7 days."})
_REFUSALS: dict[str, LatchkeyError] = {
    "unknown_call": UnknownCall(),
    "id_conflict": IdConflict(),
    "invalid_key": InvalidKey(),
    "wrong_time": _WRONG_TIME,
}
_Read = Completion | LatchkeyError


class Report:
    """Reads the calls one by one, has them written together, and says what became of each."""

    def __init__(
        self,
        calls: FinishedCalls,
        names: EndpointNames,
        *,
        root_keys: Collection[bytes],
        record_bodies: Mode,
    ) -> None:
        self._calls = calls
        self._names = names
        self._root_keys = root_keys
        self._mode: Mode = record_bodies

    async def answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Serve one request."""
        require_root_key(scope, self._root_keys)
        body = await read_json_bytes(scope, receive, limit_bytes=BODY_BYTES)
        self._calls.take_place()
        try:
            if len(body) <= _QUICKLY_READ_BYTES:
                read = self._read(body)
            else:  # customers' calls go on meanwhile
                read = await asyncio.to_thread(self._read, body)
            outcomes = await self._record(read)
        finally:
            self._calls.give_back()
        recorded = sum(outcome.recorded for outcome in outcomes)
        answer = CallsAnswer(
            recorded=recorded, failed=len(outcomes) - recorded, calls=list(outcomes)
        )
        headers = [(b"x-request-id", request_id.encode())]
        await send_json(answer.model_dump_json().encode(), headers, scope, send)

    def _read(self, body: bytes) -> list[tuple[str | None, _Read]]:
        """For each call its id, as far as it is one, and what is to be written, or its refusal."""
        return [self._read_one(value) for value in parsed(body, CallsQuestion).calls]

    def _read_one(self, value: Any) -> tuple[str | None, _Read]:
        call_id = None
        try:
            if isinstance(value, dict) and "call_id" in value:
                completed = checked(value, CompletedCall)
                call_id = completed.call_id
                return call_id, self._completion(completed)
            finished = checked(value, FinishedCall)
            call_id = finished.id
            return call_id, self._finished(finished)
        except LatchkeyError as refusal:
            return call_id, refusal

    def _completion(self, call: CompletedCall) -> Completion:
        request, response = self._bodies(call)
        return Completion(
            id=call.call_id,
            key_id=call.key_id,
            key_hash=_hash_of(call.key),
            status=call.status,
            latency_ms=call.latency_ms,
            request_body=request,
            response_body=response,
        )

    def _finished(self, call: FinishedCall) -> Finished:
        if holds_key(call.endpoint):
            raise KeyInUrl
        request, response = self._bodies(call)
        return Finished(
            id=call.id,
            key_id=call.key_id,
            key_hash=_hash_of(call.key),
            status=call.status,
            latency_ms=call.latency_ms,
            request_body=request,
            response_body=response,
            endpoint=call.endpoint,
            method=call.method,
            units=call.units if call.status < _FIRST_FREE_STATUS else 0,
            created_ms=int(call.id.replace("-", "")[:12], 16),  # RFC 9562, 5.7
        )

    def _bodies(self, call: CompletedCall | FinishedCall) -> tuple[str | None, str | None]:
        sensitive = frozenset(call.sensitive)
        return (
            self._stored("request_body", call.request_body, sensitive),
            self._stored("response_body", call.response_body, sensitive),
        )

    def _stored(self, field: str, value: Any, sensitive: frozenset[str]) -> str | None:
        if value is None:
            return None
        try:
            body = json.dumps(value).encode()
        except RecursionError as error:
            raise InvalidRequest(fields={field: "It is nested too deeply."}) from error
        return stored_body(body, "application/json", sensitive=sensitive, mode=self._mode)

    async def _record(self, read: Sequence[tuple[str | None, _Read]]) -> list[CallOutcome]:
        calls = [call for _, call in read if isinstance(call, Completion)]
        whole = [call for call in calls if isinstance(call, Finished)]
        await self._names.learn(call.endpoint for call in whole)
        for call in whole:
            call.endpoint = await self._names.name_of(call.endpoint)
        refusals = iter(await self._calls.write(calls))
        return [
            _outcome(call_id, call, next(refusals))
            if isinstance(call, Completion)
            else _refused(call_id, call)
            for call_id, call in read
        ]


def _hash_of(key: str | None) -> str | None:
    if key is None:
        return None
    if not is_well_formed(key):
        raise InvalidKey
    return sha256_hex(key)


def _outcome(call_id: str | None, call: Completion, refusal: LatchkeyError | None) -> CallOutcome:
    found = refusal or _REFUSALS.get(call.outcome)
    return CallOutcome(id=call_id, recorded=True) if found is None else _refused(call_id, found)


def _refused(call_id: str | None, refusal: LatchkeyError) -> CallOutcome:
    detail = refusal.detail
    if isinstance(refusal, InvalidRequest):
        detail = " ".join(f"{field}: {fault}" for field, fault in refusal.fields.items())
    return CallOutcome(id=call_id, recorded=False, code=refusal.code, detail=detail)
