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
