"""`GET /api/v1/usage` and `GET /api/v1/key`: what a customer's program may know of itself."""

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from pydantic import BaseModel

from app.core.errors import LatchkeyError
from app.keys.format import key_start
from app.metering.admission import Admission
from app.metering.answer import Answer
from app.metering.asgi import Receive, Scope, Send
from app.metering.call import Call
from app.metering.credentials import read_credentials
from app.metering.grants import Grant, text
from app.metering.limits import Quota
from app.metering.own.http import Answering
from app.metering.own.reading import Reader
from app.metering.own.schemas import KeyAnswer, UsageAnswer
from app.metering.problems import InvalidKey
from app.metering.recorder import Recorder
from app.metering.replies import send_json
from app.metering.routes import Route

_USED = b"SELECT latchkey.period_used($1, $2)"
# Times as text here: how a session would write them is not ours to know.
_KEY = b"""
SELECT json_build_object('label', key.label, 'status', key.status,
  'created_at', to_char(key.created, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'expires_at', to_char(key.expires, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'allowed_ips', to_json(key.ips),
  'last_used_at', to_char(used."lastUsedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
FROM (
  SELECT live.id, live.label, live.status, live."createdAt" AS created,
    least(detail."expiresAt", detail."graceEndsAt") AS expires, detail."allowedIps" AS ips
  FROM "ApiKeyMetadata" AS live
  LEFT JOIN latchkey."ApiKeyDetail" AS detail ON detail."keyId" = live.id
  WHERE live.id = $1 AND NOT $2::boolean
  UNION ALL
  SELECT trial.id, trial.label, trial.status, trial."createdAt", detail."expiresAt",
    detail."allowedIps"
  FROM "TrialApiKey" AS trial
  LEFT JOIN latchkey."TrialApiKeyDetail" AS detail ON detail."keyId" = trial.id
  WHERE trial.id = $1 AND $2::boolean
) AS key LEFT JOIN latchkey."KeyLastUse" AS used ON used."keyId" = key.id
"""
_Reading = Callable[[Scope, Grant, Quota], Awaitable[BaseModel]]


class CallerRoutes:
    """Calls that are limited as all others are, and cost and leave nothing; refusals leave a row.

    The numbers are the database's: what other nodes have recorded is in them.
    """

    def __init__(self, admission: Admission, recorder: Recorder, reader: Reader) -> None:
        self._admission = admission
        self._recorder = recorder
        self._reader = reader

    def usage(self, path: str) -> Answering:
        """The route with the account's or trial's present period."""
        return self._route(path, self._read_usage)

    def key(self, path: str) -> Answering:
        """The route with the caller's key."""
        return self._route(path, self._read_key)

    def _route(self, path: str, read: _Reading) -> Answering:
        route = Route(path, 0)

        async def answer(scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
            call = self._admission.begin(scope["method"], route)
            try:
                await self._admission.identify(call, scope)
                self._admission.admit(call, scope)
                found = await self._read_in_place(call, scope, read)
            except LatchkeyError as refusal:
                await Answer(call, send, self._recorder).refuse(refusal, is_early=True)
            else:
                await send_json(found.model_dump_json().encode(), call.headers(200), scope, send)

        return answer

    async def _read_in_place(self, call: Call, scope: Scope, read: _Reading) -> BaseModel:
        """A place bounds how many wait for the database, and stopping waits for them."""
        grant, quota = call.grant, call.quota
        assert grant is not None  # noqa: S101  # identify has found it
        assert quota is not None  # noqa: S101  # it comes with the grant
        self._recorder.take_place(grant)
        try:
            return await read(scope, grant, quota)
        finally:
            self._recorder.give_back(grant)

    async def _read_usage(self, _: Scope, grant: Grant, quota: Quota) -> UsageAnswer:
        asked_at = time.monotonic()
        scope_id, starts = quota.scope_id.encode(), quota.starts_text.encode()
        result = await self._reader.ask(_USED, scope_id, starts)
        used = int(result.get_value(0, 0) or 0)
        quota.learn(used, asked_at)
        terms = grant.terms
        return UsageAnswer(
            period_start=datetime.fromisoformat(quota.starts_text).replace(tzinfo=UTC),
            period_end=_at(quota.ends_ms or grant.trial_ends_ms),
            units_used=used,
            units_limit=terms.units,
            units_remaining=max(0, terms.units - used),
            requests_per_second=terms.requests_per_second,
        )

    async def _read_key(self, scope: Scope, grant: Grant, _: Quota) -> KeyAnswer:
        is_trial = b"t" if grant.is_trial else b"f"
        result = await self._reader.ask(_KEY, grant.key_id.encode(), is_trial)
        if result.ntuples == 0:
            raise InvalidKey  # deleted just now
        return KeyAnswer(
            id=grant.key_id,
            start=key_start(read_credentials(scope).key or ""),
            tier=grant.tier,
            trial_ends_at=_at(grant.trial_ends_ms) if grant.is_trial else None,
            **json.loads(text(result.get_value(0, 0))),
        )


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
