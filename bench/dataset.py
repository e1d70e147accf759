"""Databases to measure on: migrated, with customers and their keys, and if asked a long log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.core import migrations
from app.core.crypto import sha256_hex
from app.core.ids import new_id
from app.keys.format import new_key

PLANS = Path(__file__).resolve().parents[1] / "plans.toml"


@contextmanager
def new_database(server: str, name: str) -> Iterator[str]:
    """The URL of a new, migrated database on this server; dropped at the end."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        url = with_database(server, name)
        migrations.upgrade(url)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def with_database(url: str, name: str) -> str:
    """The same server's URL for another of its databases."""
    before, _, options = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")


def plans_without_limits(folder: Path) -> Path:
    """The plans, with so much in each that no benchmark meets a limit."""
    plans = re.sub(
        r"(?m)^(units_per_month|requests_per_second|units) = [0-9_]+",
        r"\1 = 1_000_000_000",
        PLANS.read_text(),
    )
    path = folder / "plans.toml"
    path.write_text(plans)
    return path


def add_keys(url: str, count: int) -> list[str]:
    """So many customers with a key each: the secrets."""
    secrets = [new_key("live") for _ in range(count)]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        ids = [(new_id(), new_id(), secret) for secret in secrets]
        with cursor.copy('COPY "User" (id, email, "updatedAt") FROM STDIN') as copy:
            for user_id, _, _ in ids:
                copy.write_row((user_id, f"{user_id}@example.com", "2026-01-01"))
        columns = '(id, "userId", "keyHash", status)'
        with cursor.copy(f'COPY "ApiKeyMetadata" {columns} FROM STDIN') as copy:
            for user_id, key_id, secret in ids:
                copy.write_row((key_id, user_id, sha256_hex(secret), "active"))
        cursor.execute('ANALYZE "User", "ApiKeyMetadata"')
    return secrets


def write_keys(folder: Path, secrets: list[str]) -> Path:
    """The file from which the load takes its keys."""
    path = folder / "keys.txt"
    path.write_text("\n".join(secrets) + "\n")
    return path


_FILL = r"""
INSERT INTO "ApiCall" (id, "apiKeyId", "ownerId", endpoint, method, "statusCode", "latencyMs",
    units, "createdAt", "requestBody", "responseBody")
SELECT substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7' || substr(random, 1, 3) || '-8'
    || substr(random, 4, 3) || '-' || substr(random, 7, 12),
    keys.ids[place], keys.owners[place], '/api/v1/hello', 'GET', 200, 1 + n %% 40, 1,
    timestamp 'epoch' + ms * interval '1 millisecond', NULL, '{"hello":"world"}'
FROM (SELECT array_agg(id ORDER BY id) AS ids, array_agg("userId" ORDER BY id) AS owners
      FROM "ApiKeyMetadata") AS keys,
    generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
    LATERAL (SELECT (extract(epoch FROM now()) * 1000 - 30 * 86400000.0
        + 30 * 86400000.0 * n / %(total)s)::bigint) AS time (ms),
    LATERAL (SELECT lpad(to_hex(ms), 12, '0'), md5(n::text)) AS digits (hex, random),
    LATERAL (SELECT CASE WHEN n %% 20 = 0 THEN 1 ELSE 1 + n %% cardinality(keys.ids) END) AS p (place)
"""
_COUNT = """
INSERT INTO latchkey."UsageHour" ("keyId", hour, endpoint, "statusClass", calls, units,
    "latencyMs", "latencyBuckets", "latencyCounts")
SELECT "apiKeyId", hour, endpoint, 2, sum(calls), sum(units), sum(latency), array_agg(bucket),
    array_agg(calls)
FROM (SELECT "apiKeyId", date_trunc('hour', "createdAt") AS hour, endpoint,
        latchkey.latency_bucket("latencyMs") AS bucket, count(*) AS calls, sum(units) AS units,
        sum("latencyMs") AS latency
      FROM "ApiCall" GROUP BY 1, 2, 3, 4) AS counted
GROUP BY 1, 2, 3
"""
_PART = 250_000
_INDEXES = ("ApiCall_createdAt_idx", "ApiCall_apiKeyId_createdAt_id_idx")


def fill_log(url: str, rows: int) -> None:
    """So many calls over the last 30 days, of all keys in turn and every 20th of the first one.

    Counted by the hour. Needs a superuser, as which it goes past triggers and foreign keys.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        query = 'SELECT indexdef FROM pg_indexes WHERE indexname = ANY(%s)'
        indexes = connection.execute(query, [list(_INDEXES)]).fetchall()
        for name in _INDEXES:
            connection.execute(f'DROP INDEX public."{name}"')
        for first in range(1, rows + 1, _PART):
            last = min(first + _PART - 1, rows)
            connection.execute(_FILL, {"first": first, "last": last, "total": rows})
        for [definition] in indexes:  # made at the end: three times as fast
            connection.execute(definition)
        connection.execute(_COUNT)
        connection.execute('VACUUM ANALYZE "ApiCall"')
        connection.execute('VACUUM ANALYZE latchkey."UsageHour"')
        connection.execute("CHECKPOINT")
