"""All that we have of a customer, as a zip that is made while it is sent.

Rows come from a cursor in the database, some at a time, and each piece is compressed and sent
before the next is read: memory does not grow with the number of calls.
"""

import asyncio
import json
import time
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, text

from app.core.database import unit_of_work
from app.core.errors import LatchkeyError, NotFound
from app.flows.export_parts import LEFT_OUT, PARTS, Part
from app.models import User

MOST_AT_ONCE = 3
"""Exports of one process: each keeps a connection to the database for as long as it takes."""

ROWS_AT_ONCE = 200
"""Read from the cursor at a time; a call's bodies may be 32 KiB."""

_PIECE_BYTES = 64 * 1024
_FASTEST = 1
_running: set[object] = set()


class ExportBusy(LatchkeyError):
    """As many exports are being made as one process makes at a time."""

    status = 429
    code = "export_busy"
    title = "Other exports are being made"
    default_detail = "Wait a minute, then try again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "60"})


async def export_account(user_id: str) -> AsyncGenerator[bytes]:
    """The zip, piece by piece. Raises ExportBusy, or NotFound, before there is any."""
    if len(_running) >= MOST_AT_ONCE:
        raise ExportBusy
    async with unit_of_work() as session:
        await (await session.connection()).execute(text("SELECT latchkey.fold_usage()"))
        user = await session.get(User, user_id)
    if user is None:
        raise NotFound
    return _counted(_zip(user))


async def _counted(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    token = object()
    _running.add(token)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    finally:
        _running.discard(token)


async def _zip(user: User) -> AsyncGenerator[bytes]:
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=_FASTEST) as archive:
        archive.writestr("README.txt", readme(user))
        for part in PARTS:
            info = zipfile.ZipInfo(part.file, time.gmtime()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as file:
                async with aclosing(_pieces(part, user)) as pieces:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
                        yield outlet.take()
            yield outlet.take()
    yield outlet.take()


async def _pieces(part: Part, user: User) -> AsyncGenerator[bytes]:
    """The file's text, some kilobytes at a time: an array, or for .ndjson a line for each row."""
    is_lines = part.file.endswith(".ndjson")
    piece = bytearray(b"" if is_lines else b"[")
    between = b"\n"
    statement = part.rows(user).execution_options(yield_per=ROWS_AT_ONCE)
    async with unit_of_work() as session:
        async for row in (await session.stream(statement)).mappings():
            piece += (b"" if is_lines else between) + _json(row) + (b"\n" if is_lines else b"")
            between = b",\n"
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    yield bytes(piece if is_lines else piece + b"\n]\n")


def readme(user: User) -> str:
    """What is what, for the person who opens it."""
    files = "\n".join(f"{part.file:24} {part.about}" for part in PARTS)
    withheld = sorted({f"{name}: {why}" for part in PARTS for name, why in part.withheld.items()})
    left_out = sorted(f"{model.__name__}: {why}" for model, why in LEFT_OUT.items())
    return "\n\n".join(
        [
            f"All that we have of the account {user.email}.",
            "Files ending in .json are arrays; .ndjson files have one JSON object a line. Times "
            "are UTC. Bodies of calls are as we keep them: secret values masked, long ones cut.",
            files,
            "Columns that are not in it, and why:\n" + "\n".join(withheld),
            "Tables that are not in it, and why:\n" + "\n".join(left_out),
            "Invoices are with the payment provider: open them under Billing.\n",
        ]
    )


def _json(row: RowMapping) -> bytes:
    found = json.dumps(dict(row), ensure_ascii=False, default=_plain)
    # half of a character, which a body of another program's may hold, is no UTF-8
    return found.encode(errors="backslashreplace")


def _plain(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class _Outlet:
    """What the zip is written to: it keeps no more than was not yet taken, and cannot go back."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._kept += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._kept)
        self._kept.clear()
        return taken
