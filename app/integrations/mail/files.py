"""Mail into `var/mail/*.eml`, for a machine without a mail server."""

import asyncio
import email
import email.policy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.core.crypto import sha256_hex
from app.integrations.mail.message import Mail, to_mime

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail as `/dev/mail` lists it; `link` is the first address in its text.

    `sent_at` is when its file was written, in UTC.
    """

    id: str
    to: str
    subject: str
    sent_at: datetime
    text: str
    link: str | None


class FileMailer:
    """Writes each mail to a file of its own, readable by its owner only."""

    def __init__(self, folder: Path, *, sender: str):
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Write the mail; the same `message_id` replaces its file."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: Mail) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{sha256_hex(mail.message_id)[:24]}.eml"
        partial = target.with_suffix(".part")
        partial.touch(mode=0o600)
        partial.write_bytes(to_mime(mail, sender=self._sender).as_bytes())
        partial.replace(target)


def list_stored(folder: Path, *, limit: int = 50) -> Sequence[StoredMail]:
    """The stored mails, newest first."""
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [_read(file) for file in files[:limit]]


def _read(file: Path) -> StoredMail:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body else ""
    link = _LINK.search(text)
    return StoredMail(
        id=file.stem,
        to=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        text=text,
        link=link.group() if link else None,
    )
