"""Whether the counters equal the log: by a recount of our own, and by `usage verify`."""

import os
import subprocess
import sys

import psycopg

from tests.portal import ROOT

Difference = tuple[object, ...]

_LOG = """
    SELECT "apiKeyId" AS key_id, date_trunc('hour', call."createdAt") AS hour, endpoint,
        "statusCode" / 100 AS class, "latencyMs" AS latency, units, key."userId" AS scope
    FROM "ApiCall" AS call JOIN "ApiKeyMetadata" AS key ON key.id = "apiKeyId"
    UNION ALL
    SELECT "apiKeyId", date_trunc('hour', call."createdAt"), endpoint, "statusCode" / 100,
        "latencyMs", units, key."workspaceId"
    FROM latchkey."TrialApiCall" AS call JOIN "TrialApiKey" AS key ON key.id = "apiKeyId"
"""
_LOGGED = """
    SELECT 'hour', key_id, hour, endpoint, class, NULL::integer, count(*), sum(units), sum(latency)
    FROM log GROUP BY 2, 3, 4, 5
    UNION ALL
    SELECT 'latency', key_id, hour, endpoint, class, latchkey.latency_bucket(latency), count(*),
        NULL, NULL
    FROM log GROUP BY 2, 3, 4, 5, 6
    UNION ALL
    SELECT 'account', scope, NULL, NULL, NULL, NULL, count(*), sum(units), NULL
    FROM log GROUP BY 2
"""
_COUNTED = """
    SELECT 'hour', "keyId", hour, endpoint, "statusClass", NULL::integer, calls, units, "latencyMs"
    FROM latchkey."UsageHour" WHERE calls <> 0
    UNION ALL
    SELECT 'latency', "keyId", hour, endpoint, "statusClass", bucket, counted, NULL, NULL
    FROM latchkey."UsageHour", unnest("latencyBuckets", "latencyCounts") AS one (bucket, counted)
    WHERE counted <> 0
    UNION ALL
    SELECT 'account', "scopeId", NULL, NULL, NULL, NULL, sum(calls), sum(units), NULL
    FROM latchkey."UsagePeriod" GROUP BY 2
"""
_DIFFERENCES = f"""
    WITH log AS ({_LOG}), logged AS ({_LOGGED}), counted AS ({_COUNTED})
    (SELECT 'logged, not so counted', * FROM logged EXCEPT ALL SELECT 'logged, not so counted', *
     FROM counted)
    UNION ALL
    (SELECT 'counted, not so logged', * FROM counted EXCEPT ALL SELECT 'counted, not so logged', *
     FROM logged)
"""


def differences(url: str) -> list[Difference]:
    """What the log and the counters say differently; empty when they agree.

    By key, hour, route and status class: calls, units, latencies and their histogram; by
    account or trial: calls and units. And what `python -m app usage verify` has to object.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT latchkey.fold_usage()")
        recounted = connection.execute(_DIFFERENCES.encode()).fetchall()
    return [*recounted, *_objections(url)]


def _objections(url: str) -> list[Difference]:
    done = subprocess.run(
        [sys.executable, "-m", "app", "usage", "verify"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else [("usage verify", done.stdout + done.stderr)]
