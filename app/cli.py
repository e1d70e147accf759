"""The command line. Every command takes the settings of the README's table."""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from app import cli_accounts, cli_billing, cli_trials
from app.api.workers import run_server
from app.core import database, embedded, migrations
from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError
from app.core.headers import server_headers
from app.core.logging import configure_logging
from app.core.settings import ROOT, Settings, get_settings
from app.keys.format import new_key

MAX_EVENT_BYTES = 64 * 1024
DRAIN_SECONDS = 20

MOST_OPEN_FILES = 16_384
"""More than a process takes connections, with room for the database's and the pages' files."""

cli = typer.Typer(
    name="python -m app",
    help="Latchkey: the self-service front door of an HTTP API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(
    help="Keys of services that ask and report for their customers.", no_args_is_help=True
)
cli.add_typer(keys, name="keys")
usage = typer.Typer(help="The counters of calls and units.", no_args_is_help=True)
cli.add_typer(usage, name="usage")
cli.add_typer(cli_accounts.accounts, name="accounts")
cli.add_typer(cli_billing.billing, name="billing")
cli.add_typer(cli_trials.trials, name="trials")
Workers = Annotated[int, typer.Option(min=1, help="Processes that answer requests.")]


@cli.command()
def serve(
    workers: Workers = 1,
    build: Annotated[
        bool, typer.Option(help="Build the pages anew when they have changed.")
    ] = True,
) -> None:
    """Portal, API and jobs on one port."""
    settings = _settings()
    if workers > 1 and not settings.redis_url:
        _stop("Several portal processes share their state through Redis: set REDIS_URL.")
    _require_free_port(settings)
    _require_usable_files(settings)
    _use_built_pages(build=build)
    with _database(settings, migrate=True):
        _print_welcome(settings)
        _run_server("app.app:make_portal", settings, workers)


@cli.command()
def api(workers: Workers = 1) -> None:
    """The mounted API only: no portal, no jobs, no Reflex."""
    settings = _settings()
    _require_free_port(settings)
    _require_usable_files(settings)
    with _database(settings, migrate=settings.database_url is None):
        _run_server("app.api.node:make_node", settings, workers)


@cli.command()
def worker() -> None:
    """Jobs only: mail and periodic work."""
    settings = _settings()
    with _database(settings, migrate=settings.database_url is None):
        from app.jobs.app import work  # noqa: PLC0415  # other commands need no job queue

        asyncio.run(_until_told(work()))


@cli.command()
def migrate() -> None:
    """Bring the database to this release's schema; safe to run again."""
    settings = _settings()
    with _database(settings, migrate=True):
        typer.echo("The database has this release's schema.")


@cli.command()
def doctor() -> None:
    """Check every setting and connection, one line each, with the remedy."""
    from app.doctor import examine  # noqa: PLC0415  # other commands need no checks

    findings = asyncio.run(examine(_settings()))
    for finding in findings:
        typer.echo(finding.line)
    if any(not finding.is_ok for finding in findings):
        raise typer.Exit(1)


@keys.command()
def root() -> None:
    """Make a root key and print it, this once; nothing is stored."""
    key = new_key("root")
    typer.echo(
        f"Root key, shown only now: {key}\n"
        "Give it to the service. Latchkey needs only its SHA-256; add it to those that there are, "
        "after a comma:\n"
        f"ROOT_KEYS={sha256_hex(key)}"
    )


@usage.command()
def verify(
    repair: Annotated[bool, typer.Option(help="Write what differs anew from the log.")] = False,
    since: Annotated[
        datetime | None, typer.Option("--from", help="The first hour, UTC; else the log's begin.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", help="Up to this time, UTC; else all.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Only this key's calls, by its id.")] = None,
) -> None:
    """Compare the counters (UsageHour, UsagePeriod) with the log of calls, also while it grows.

    What the log no longer holds is not compared: hours before its oldest month (or before the
    oldest call that lies in front of that), and periods that began earlier. Hours are compared
    whole, and periods whole when they touch the range. What a deleted key used stays used.

    The exit code is 1 when something differs and was not repaired.
    """
    from app.usage import verify_command  # noqa: PLC0415  # other commands need no counters
    from app.usage.verify import FIRST, LAST, Range  # noqa: PLC0415  # likewise

    settings = _settings()
    wanted = Range(_utc(since) or FIRST, _utc(until) or LAST, key)
    if wanted.since >= wanted.until:
        _stop("Nothing lies between --from and --to: give --to the later time.")
    with _database(settings, migrate=settings.database_url is None):
        try:
            lines, code = asyncio.run(verify_command.run(wanted, repair=repair))
        except LatchkeyError as error:
            _stop(error.detail)
        except OperationalError as error:
            _stop(f"The database failed: {str(error.orig).splitlines()[0]}. Run it again.")
    typer.echo("\n".join(lines))
    raise typer.Exit(code)


def tell(work: Callable[[], Coroutine[Any, Any, tuple[Sequence[str], int]]]) -> NoReturn:
    """Run a command that needs the database, print its lines, and leave with its code."""
    settings = _settings()
    with _database(settings, migrate=settings.database_url is None):
        try:
            lines, code = asyncio.run(work())
        except LatchkeyError as error:
            _stop(error.detail)
        except OperationalError as error:
            _stop(f"The database failed: {str(error.orig).splitlines()[0]}. Run it again.")
    typer.echo("\n".join(lines))
    raise typer.Exit(code)


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)


def run() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it cleanly."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(130)


def _settings() -> Settings:
    try:
        settings = get_settings()
    except ValidationError as error:
        lines = [_setting_fault(fault) for fault in error.errors()]
        _stop("A setting is wrong (environment or .env):\n" + "\n".join(lines))
    configure_logging(settings.log_level)
    return settings


def _setting_fault(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]).upper()
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"  {name}: {message}" if name else f"  {message}"


@contextmanager
def _database(settings: Settings, *, migrate: bool) -> Iterator[None]:
    """The database, running and at this release's schema, until the command ends."""
    try:
        _prepare_database(migrate=migrate)
        yield
    finally:
        embedded.stop(settings.var_dir / "postgres")


def _prepare_database(*, migrate: bool) -> None:
    try:
        url = database.direct_url()
        if migrate:
            migrations.upgrade(url)
        elif not migrations.is_current(url):
            _stop("The database has another schema. Run: python -m app migrate")
    except LatchkeyError as error:
        _stop(error.detail)
    except OperationalError as error:
        reason = str(error.orig).splitlines()[0]
        _stop(f"The database cannot be used: {reason}. Start it, or mend DATABASE_URL.")


def _require_usable_files(settings: Settings) -> None:
    from app.doctor import examine_files  # noqa: PLC0415  # other commands need no checks

    faults = [found.words for found in examine_files(settings) if not found.is_ok]
    if faults:
        _stop("\n".join(faults))


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM or Ctrl-C; the work is cancelled then, and ends in its own way."""
    working = asyncio.create_task(work)
    # the handler of the other commands would raise in the midst of whatever the loop is doing
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


def _use_built_pages(*, build: bool) -> None:
    from app.ui import build as pages  # noqa: PLC0415  # API-only nodes carry no Reflex

    try:
        if build:
            pages.build_frontend(say=lambda words: typer.echo(words, err=True))
        elif not pages.has_pages():
            _stop("The pages are not built. Run without --no-build.")
    except pages.FrontendBuildError as error:
        _stop(str(error))
    # Reflex looks for the pages beneath the working directory
    os.chdir(ROOT)
    pages.serve_built_pages()


def _run_server(factory: str, settings: Settings, workers: int) -> None:
    _raise_file_limit()
    config = uvicorn.Config(
        factory,
        factory=True,
        interface="asgi3",
        host=settings.host,
        port=settings.port,
        workers=workers,
        loop="uvloop",
        http="app.api.server:HttpProtocol",
        ws="app.api.sockets:SocketProtocol",
        headers=server_headers(is_https=settings.is_https),
        ws_max_size=MAX_EVENT_BYTES,
        # a small compressed message must not become a large one
        ws_per_message_deflate=False,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    run_server(config)


def _raise_file_limit() -> None:
    """Let each process have as many connections as its protocol takes, where we may decide."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MOST_OPEN_FILES:
        most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _require_free_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or str(error)
            _stop(
                f"Cannot listen on {settings.host}:{settings.port}: {reason}. "
                "Stop what uses it, or set PORT (and HOST)."
            )


def _print_welcome(settings: Settings) -> None:
    mail = settings.smtp_url and "through SMTP_URL"
    lines = [
        f"Latchkey   {settings.public_url}",
        f"Database   {_describe_database(settings)}",
        f"Mail       {mail or f'files, read them at {settings.public_url}/dev/mail'}",
        f"API        {settings.api_name}, metered under {settings.public_url}/api/v1/",
        f"Not set    {_describe_missing(settings)}",
        "Stop       Ctrl-C",
    ]
    typer.echo("\n".join(lines))


def _describe_missing(settings: Settings) -> str:
    optional = ("DATABASE_URL", "SMTP_URL", "REDIS_URL", "WATCHLISTS")
    missing = [name for name in optional if not getattr(settings, name.lower())]
    return f"{', '.join(missing) or 'nothing'} (see .env.example)"


def _describe_database(settings: Settings) -> str:
    if settings.database_url is None:
        return f"embedded, under {settings.var_dir / 'postgres'} (set DATABASE_URL for your own)"
    return "DATABASE_URL"


def _leave(signum: int, frame: object) -> NoReturn:
    sys.exit(0)


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
