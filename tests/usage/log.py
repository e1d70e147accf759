"""Calls of all kinds, written as the meter and as other programs write them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from app.core.ids import new_call_id

MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
"""From here on every log of a fresh database is whole."""

LIVE, TRIAL = ("key-1", "key-2", "key-3"), ("trial-key",)
KEYS = (*LIVE, *TRIAL)
SCOPES = {"key-1": "user-1", "key-2": "user-1", "key-3": "user-2", "trial-key": "trial"}
"""Whose each key is: user-2 pays, from some minutes into the month on."""

PAYS_FROM = MONTH + timedelta(minutes=90)

_OWNERS = """
    INSERT INTO "User" (id, email, "updatedAt")
    VALUES ('user-1', '1', now()), ('user-2', '2', now());
    INSERT INTO "ApiKeyMetadata" (id, "userId", "keyHash")
    VALUES ('key-1', 'user-1', '1'), ('key-2', 'user-1', '2'), ('key-3', 'user-2', '3');
    INSERT INTO "TrialWorkspace" (id, name, slug, "createdAt", "expiresAt", "ownerId")
    VALUES ('trial', 'Trial', 'trial', '{created:%Y-%m-%d %H:%M}', now(), 'user-1');
    INSERT INTO "TrialApiKey" (id, "workspaceId", "keyHash") VALUES ('trial-key', 'trial', '4');
"""
_EMPTY = """
    TRUNCATE "User", latchkey."UsageHour", latchkey."UsagePeriod", latchkey."UsageDelta",
        latchkey."CallNote", latchkey."DeletedKey" CASCADE
"""
_RECORD = """
    SELECT latchkey.record_calls(%(slot)s::smallint, %(ids)s::text[], %(trial)s::boolean[],
        %(keys)s::text[], %(owners)s::text[], %(endpoints)s::text[], %(methods)s::text[],
        %(statuses)s::integer[], %(latencies)s::integer[], %(units)s::integer[],
        %(created)s::bigint[], NULL, NULL, %(scopes)s::integer[], %(scope_ids)s::text[],
        %(starts)s::timestamp[])
"""
_WRITE = """
    SELECT latchkey.write_calls(%(is_again)s, %(slot)s::smallint, %(ids)s::text[],
        %(trial)s::boolean[], %(keys)s::text[], %(owners)s::text[], %(endpoints)s::text[],
        %(methods)s::text[], %(statuses)s::integer[], %(latencies)s::integer[],
        %(units)s::integer[], %(created)s::bigint[], NULL, NULL, %(scope_ids)s::text[],
        %(starts)s::timestamp[], %(at_once)s::boolean[])
"""
_INSERT = """
    INSERT INTO {log} (id, "apiKeyId", endpoint, method, "statusCode", "latencyMs", "createdAt",
        units) VALUES (%s, %s, %s, 'GET', %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Call:
    """A call to be: so many minutes into the month."""

    key: str = "key-1"
    minute: int = 30
    endpoint: str = "/a"
    status: int = 200
    latency_ms: int = 5
    units: int = 1

    @property
    def created_at(self) -> datetime:
        return MONTH + timedelta(minutes=self.minute)

    @property
    def is_trial(self) -> bool:
        return self.key in TRIAL


class Log:
    """A database, as the meter and as other programs write to it."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def begin(self) -> None:
        """Two accounts and a trial, with keys and without calls."""
        self.execute(_EMPTY)
        self._connection.execute(_OWNERS.format(created=MONTH + timedelta(minutes=7)))

    def execute(self, statement: str, *params: Any) -> list[Any]:
        cursor = self._connection.execute(statement, params or None)
        return cursor.fetchall() if cursor.description else []

    def record(self, calls: list[Call], ids: list[str] | None = None, slot: int = 1) -> list[str]:
        """As the meter does with calls that have a claim, in one batch; the ids."""
        ids = ids or new_ids(calls)
        if not calls:
            return ids
        periods = [self.period_of(call) for call in calls]
        known = sorted(set(periods))
        params = {
            **_columns(calls, ids, slot),
            "scopes": [known.index(period) + 1 for period in periods],
            "scope_ids": [scope for scope, _ in known],
            "starts": [starts_at for _, starts_at in known],
        }
        self._connection.execute(_RECORD, params)
        return ids

    def write(
        self,
        calls: list[Call],
        ids: list[str] | None = None,
        *,
        at_once: list[bool],
        is_again: bool = False,
        slot: int = 1,
    ) -> list[str]:
        """As the meter does with all others, in one batch; the ids."""
        ids = ids or new_ids(calls)
        periods = [self.period_of(call) for call in calls]
        params = {
            **_columns(calls, ids, slot),
            "is_again": is_again,
            "scope_ids": [scope for scope, _ in periods],
            "starts": [starts_at for _, starts_at in periods],
            "at_once": at_once,
        }
        self._connection.execute(_WRITE, params)
        return ids

    def insert(self, calls: list[Call], ids: list[str]) -> None:
        """As another program does, in one transaction."""
        with self._connection.transaction():
            for call, call_id in zip(calls, ids, strict=True):
                log = 'latchkey."TrialApiCall"' if call.is_trial else 'public."ApiCall"'
                self._connection.execute(
                    _INSERT.format(log=log),
                    [call_id, call.key, call.endpoint, call.status, call.latency_ms,
                     call.created_at.replace(tzinfo=None), call.units],
                )  # fmt: skip

    def settle(self, call_id: str, *, is_trial: bool, latency_ms: int, aborted: bool) -> None:
        """The end of a streamed answer."""
        self.execute(
            "SELECT latchkey.settle_calls(%s, %s, %s, %s)",
            [call_id], [is_trial], [latency_ms], [aborted],
        )  # fmt: skip

    def repeat(self, call_id: str, times: int) -> None:
        """The row stands for so many refusals."""
        self.execute("SELECT latchkey.repeat_calls(%s, %s)", [call_id], [times])

    def fold(self) -> None:
        self.execute("SELECT latchkey.fold_usage()")

    def period_of(self, call: Call) -> tuple[str, datetime]:
        """Whose period, and from when, the call counts in now."""
        scope = SCOPES[call.key]
        if call.is_trial:
            [row] = self.execute('SELECT "createdAt" FROM "TrialWorkspace" WHERE id = %s', scope)
        else:
            at = call.created_at.replace(tzinfo=None)
            [row] = self.execute("SELECT latchkey.period_start(%s, %s)", scope, at)
        return scope, row[0]

    def subscribe(self, starts_at: datetime) -> None:
        """From now on user-2 pays, in months from this moment."""
        self.execute(
            """INSERT INTO "Subscription" (id, "userId", "stripeCustomerId", status,
                "currentPeriodStart", "updatedAt") VALUES ('s', 'user-2', 'c', 'active', %s, now())
            ON CONFLICT (id) DO UPDATE SET "currentPeriodStart" = excluded."currentPeriodStart" """,
            starts_at.replace(tzinfo=None),
        )


def new_ids(calls: list[Call]) -> list[str]:
    """An id for each, of its time."""
    return [new_call_id(round(call.created_at.timestamp() * 1000)) for call in calls]


def _columns(calls: list[Call], ids: list[str], slot: int) -> dict[str, Any]:
    return {
        "slot": slot,
        "ids": ids,
        "trial": [call.is_trial for call in calls],
        "keys": [call.key for call in calls],
        "owners": [SCOPES[call.key].replace("trial", "user-1") for call in calls],
        "endpoints": [call.endpoint for call in calls],
        "methods": ["POST"] * len(calls),
        "statuses": [call.status for call in calls],
        "latencies": [call.latency_ms for call in calls],
        "units": [call.units for call in calls],
        "created": [round(call.created_at.timestamp() * 1000) for call in calls],
    }
