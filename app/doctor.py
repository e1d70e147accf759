"""`python -m app doctor`: every setting and connection, one line each, with the remedy."""

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import psycopg
import redis.asyncio

from app.billing.plans import load_plans
from app.core import database, migrations
from app.core.settings import Settings

OLDEST_POSTGRESQL = 15
TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and what to do if not."""

    subject: str
    is_ok: bool
    words: str

    @property
    def line(self) -> str:
        """The finding as one line for a terminal."""
        return f"{'ok ' if self.is_ok else 'FIX'}  {self.subject:<12} {self.words}"


async def examine(settings: Settings) -> Sequence[Finding]:
    """Look at everything; a fault in one place hides no other."""
    checks: list[tuple[str, Callable[[Settings], Awaitable[str]]]] = [
        ("PUBLIC_URL", _check_public_url),
        ("DATABASE", _check_database),
        ("Schema", _check_schema),
        ("REDIS_URL", _check_redis),
        ("SMTP_URL", _check_smtp),
        ("PLANS_FILE", _check_plans),
        ("API_APP", _check_api_app),
    ]
    return [await _find(subject, check, settings) for subject, check in checks]


async def _find(
    subject: str, check: Callable[[Settings], Awaitable[str]], settings: Settings
) -> Finding:
    try:
        words = await asyncio.wait_for(check(settings), TIMEOUT_SECONDS)
    except TimeoutError:
        return Finding(subject, False, f"no answer within {TIMEOUT_SECONDS} s; is it running?")
    except Exception as error:  # a doctor reports whatever it meets
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return Finding(subject, False, first_line)
    return Finding(subject, True, words)


async def _check_public_url(settings: Settings) -> str:
    if settings.is_local:
        return f"{settings.public_url}, this machine only"
    if not settings.is_https:
        raise ValueError(f"{settings.public_url} is not https: cookies could be read on the way")
    return settings.public_url


async def _check_database(settings: Settings) -> str:
    kind = "DATABASE_URL" if settings.database_url else "embedded"
    url = await asyncio.to_thread(database.database_url)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        version = connection.info.server_version // 10_000
    if version < OLDEST_POSTGRESQL:
        raise ValueError(f"PostgreSQL {version} is too old: {OLDEST_POSTGRESQL} or newer is needed")
    return f"{kind}, PostgreSQL {version}"


async def _check_schema(settings: Settings) -> str:
    if not await asyncio.to_thread(migrations.is_current, database.direct_url()):
        raise ValueError("is not this release's. Run: python -m app migrate")
    return "is this release's"


async def _check_redis(settings: Settings) -> str:
    if not settings.redis_url:
        return "not set: one portal process only"
    async with redis.asyncio.from_url(settings.redis_url) as client:
        # redis types both of its clients as one
        await cast(Awaitable[bool], client.ping())
    return "answers"


async def _check_smtp(settings: Settings) -> str:
    if not settings.smtp_url:
        return f"not set: mail is written to {settings.var_dir / 'mail'}"
    parts = urlsplit(settings.smtp_url)
    address = (parts.hostname or "", parts.port or 25)
    with await asyncio.to_thread(socket.create_connection, address, TIMEOUT_SECONDS):
        return f"{address[0]}:{address[1]} answers"


async def _check_plans(settings: Settings) -> str:
    plans = load_plans(settings.plans_file)
    return f"{settings.plans_file.name}: {len(plans.tiers)} plans"


async def _check_api_app(settings: Settings) -> str:
    module, _, attribute = settings.api_app.partition(":")
    getattr(importlib.import_module(module), attribute)
    return settings.api_app
