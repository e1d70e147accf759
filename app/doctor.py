"""`python -m app doctor`: every setting and connection, one line each, with the remedy."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import psycopg
import redis.asyncio

from app.billing.check import check_prices
from app.billing.plans import load_plans
from app.core import database, migrations, secret_key
from app.core.settings import SHORTEST_SECRET_KEY, Settings
from app.integrations.oauth.check import check_github, check_google, check_oidc
from app.metering.build import build_meter
from app.metering.upstream import trusted_authorities
from app.screening.lists import load_watchlists

TIMEOUT_SECONDS = 5

SCREENING_APP = str(Settings.model_fields["api_app"].default)


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
    connections: list[tuple[str, Callable[[Settings], Awaitable[str]], str]] = [
        ("DATABASE", _check_database, "Start that server, or mend DATABASE_URL."),
        ("Schema", _check_schema, "Run: python -m app migrate"),
        ("REDIS_URL", _check_redis, "Start that server, mend REDIS_URL, or leave it out."),
        ("SMTP_URL", _check_smtp, "Start that server, mend SMTP_URL, or leave it out."),
        ("API_UPSTREAM", _check_upstream, "Start that server, or mend API_UPSTREAM."),
        ("OAUTH_GITHUB", check_github, ""),
        ("OAUTH_GOOGLE", check_google, "See whether this machine reaches that address."),
        ("OAUTH_OIDC", check_oidc, "Start that server, or mend OAUTH_OIDC_ISSUER."),
        ("Stripe", check_prices, "See STRIPE_SECRET_KEY and PLANS_FILE."),
    ]
    found = [
        _look("PUBLIC_URL", _check_public_url, settings),
        _look("SECRET_KEY", _check_secret_key, settings),
    ]
    found += [await _connect(*connection, settings) for connection in connections]
    return [*found, *examine_files(settings)]


def examine_files(settings: Settings) -> Sequence[Finding]:
    """Look at what the settings name on this machine: quick, and nothing is connected to."""
    checks = {
        "PLANS_FILE": _check_plans,
        "API_OPENAPI" if settings.api_upstream else "API_APP": _check_api,
        "WATCHLISTS": _check_watchlists,
    }
    return [_look(subject, check, settings) for subject, check in checks.items()]


async def _connect(
    subject: str, check: Callable[[Settings], Awaitable[str]], remedy: str, settings: Settings
) -> Finding:
    try:
        words = await asyncio.wait_for(check(settings), TIMEOUT_SECONDS)
    except TimeoutError:
        return Finding(subject, False, f"no answer within {TIMEOUT_SECONDS} s. {remedy}")
    except Exception as error:  # a doctor reports whatever it meets
        return Finding(subject, False, f"{_first_line(error)}. {remedy}")
    return Finding(subject, True, words)


def _look(subject: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(subject, True, check(settings))
    except Exception as error:  # a doctor reports whatever it meets
        return Finding(subject, False, f"{_first_line(error)}.")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _check_public_url(settings: Settings) -> str:
    if settings.is_local:
        return f"{settings.public_url}, this machine only"
    if not settings.is_https:
        raise ValueError(
            f"{settings.public_url} is not https: cookies could be read on the way. "
            "Put a proxy with a certificate before it, and its address into PUBLIC_URL"
        )
    return settings.public_url


def _check_secret_key(settings: Settings) -> str:
    keys = settings.secret_keys
    if keys:
        short = any(len(key) < SHORTEST_SECRET_KEY for key in keys)
        weak = ", too short for a public machine" if short else ""
        old = f", with {len(keys) - 1} old for reading" if len(keys) > 1 else ""
        return f"set{old}{weak}"
    path = settings.var_dir / secret_key.FILE_NAME
    if not path.exists():
        return f"not set: one is made at start, in {path}"
    secret_key.make_cipher(settings, "doctor")
    if settings.database_url:
        return f"not set: {path} is used. Every machine on this database needs the same"
    return f"not set: {path} is used"


async def _check_database(settings: Settings) -> str:
    kind = "DATABASE_URL" if settings.database_url else "embedded"
    url = await asyncio.to_thread(database.database_url)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        version = database.supported_version(connection.info.server_version)
    return f"{kind}, PostgreSQL {version}"


async def _check_schema(settings: Settings) -> str:
    if not await asyncio.to_thread(lambda: migrations.is_current(database.direct_url())):
        raise ValueError("is not this release's")
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
    address = (parts.hostname or "", parts.port or (465 if parts.scheme == "smtps" else 25))
    with await asyncio.to_thread(socket.create_connection, address, TIMEOUT_SECONDS):
        return f"{address[0]}:{address[1]} answers"


def _check_plans(settings: Settings) -> str:
    plans = load_plans(settings.plans_file)
    return f"{settings.plans_file.name}: {len(plans.tiers)} plans"


def _check_api(settings: Settings) -> str:
    build_meter(settings)
    if settings.api_upstream and not settings.api_openapi:
        return "not set: every path is called (other), and costs a unit"
    return str(settings.api_openapi or settings.api_app)


async def _check_upstream(settings: Settings) -> str:
    if not settings.api_upstream:
        return "not set: API_APP is metered"
    parts = urlsplit(settings.api_upstream)
    tls = trusted_authorities() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    _, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    writer.close()
    await writer.wait_closed()
    return f"{settings.api_upstream} answers"


def _check_watchlists(settings: Settings) -> str:
    if settings.api_name != SCREENING_APP:
        return "not used: another API is metered"
    lists = load_watchlists(settings.watchlists)
    return ", ".join(f"{one.name} ({len(one.entities)} entities)" for one in lists)
