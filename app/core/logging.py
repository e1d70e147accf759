"""One way to log: readable on a terminal, JSON lines elsewhere, and never a secret."""

import logging
import logging.config
import re
import sys
from typing import Any

import structlog

# a key whole, or the value of a token in an address or header
_SECRET = re.compile(r"(lk_(?:live|trial|root)_[0-9A-Za-z]{4})[0-9A-Za-z]+|(?<=token=)[\w%-]+")


def configure_logging(level: str) -> None:
    """Send every logger's records to standard error, from `level` up."""
    renderer: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    shared = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "httpx", "procrastinate", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def mask_secrets(
    logger: Any, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Cut keys to their start and drop tokens, wherever they stand in a record."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRET.sub(lambda match: f"{match[1] or ''}…", value)
    return event
