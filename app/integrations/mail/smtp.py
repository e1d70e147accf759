"""Mail by SMTP."""

from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.integrations.mail.message import Mail, to_mime, wire_address

TIMEOUT_SECONDS = 20
"""For the connection, its encryption, and who we are."""

ANSWER_SECONDS = 120
"""For a server's answer to a part of a mail. Who gives up sooner sends again what the server has
taken, and the mail arrives twice (RFC 5321, 4.5.3.2.6, would wait ten minutes; a job cannot)."""


class SmtpMailer:
    """Sends through the server in `SMTP_URL`: smtp:// (STARTTLS if offered) or smtps://."""

    def __init__(self, url: str, *, sender: str):
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("SMTP_URL must be like smtp://user:password@mail.example.com:587")
        self._sender = sender
        self._use_tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._use_tls else 25)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, mail: Mail) -> None:
        """Deliver the mail; raises aiosmtplib.SMTPException when the server refuses it."""
        async with self._connection() as server:
            await server.send_message(
                to_mime(mail, sender=self._sender),
                recipients=[wire_address(mail.to)],
                timeout=ANSWER_SECONDS,
            )

    def _connection(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._use_tls,
            username=self._username,
            password=self._password,
            timeout=TIMEOUT_SECONDS,
        )
