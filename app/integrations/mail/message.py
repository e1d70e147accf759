"""One mail, in our terms and as MIME."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol

import idna


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person, as text and as HTML with the same content.

    `message_id` is stable: a retry of the same mail carries the same one.
    """

    to: str
    subject: str
    text: str
    html: str
    message_id: str


class Mailer(Protocol):
    """Hands a mail on; raises if it could not, so that the job is tried again."""

    async def send(self, mail: Mail) -> None:
        """Deliver the mail to the next hop."""


def to_mime(mail: Mail, *, sender: str) -> EmailMessage:
    """The mail as a MIME message, text first, HTML as the alternative."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = wire_address(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def wire_address(address: str) -> str:
    """The address with its domain in ASCII, which every mail server takes."""
    local_part, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local_part}{at}{idna.encode(domain, uts46=True).decode()}"
