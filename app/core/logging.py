"""One way to log: readable on a terminal, JSON lines elsewhere, and never a secret."""

import logging
import re
import sys
from contextlib import suppress
from typing import Any

import structlog
from structlog.types import EventDict, Processor

_SECRET = re.compile(
    r"(lk_(?:live|trial|root)_[0-9A-Za-z]{4})[0-9A-Za-z]+"  # a key
    r"|(?<=token=)[\w%-]+"  # the value of a token in an address
    # a token of ours alone, known by its length and mixture: see app.core.crypto.new_token
    r"|(?<![\w-])(?=[\w-]*[0-9])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])"
)


def configure_logging(level: str) -> None:
    """Send every logger's records to standard error, from `level` up. In each process once."""
    handler = _Handler()
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "httpcore", "httpx", "procrastinate", "stripe", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def mask_secrets(logger: Any, method: str, event: EventDict) -> EventDict:
    """Cut keys to their start and drop tokens, wherever they stand in a record."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRET.sub(lambda match: f"{match[1] or ''}…", value)
    return event


class _Handler(logging.StreamHandler[Any]):
    """To standard error. A record that cannot be written is reported without its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        # logging's own report would print the arguments as they are, secrets too
        where = f"{record.pathname}:{record.lineno}"
        with suppress(OSError, ValueError):  # standard error itself may be gone
            self.stream.write(f"A log record of {where} could not be written.{self.terminator}")


def _formatter() -> logging.Formatter:
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    prepare: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=prepare,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
