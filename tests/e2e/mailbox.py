"""A real SMTP server that keeps what it receives."""

import asyncio
import email
import email.policy
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller

from tests.portal import free_port

DELIVERY_SECONDS = 20


class Mailbox:
    """The mails that arrived, in order. `refusals` are its answers before it takes one.

    `delay_seconds`: how long it takes over each.
    """

    def __init__(self):
        self.mails = []
        self.recipients = []
        self.refusals = []
        self.delay_seconds = 0.0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        await asyncio.sleep(self.delay_seconds)
        if self.refusals:
            return self.refusals.pop(0)
        self.recipients.append(envelope.rcpt_tos)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 kept"

    def wait_for(self, address: str, count: int = 1):
        """The newest mail to the address, once `count` have come."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while time.monotonic() < deadline:
            found = [mail for mail in self.mails if mail["To"] == address]
            if len(found) >= count:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"no mail to {address} within {DELIVERY_SECONDS} s")


def link_in(mail) -> str:
    text = mail.get_body(("plain",)).get_content()
    return re.search(r"http\S+/auth/email/confirm\?token=\S+", text).group()


@contextmanager
def running_mailbox(port: int | None = None) -> Iterator[tuple[Mailbox, str]]:
    mailbox = Mailbox()
    port = port or free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()
