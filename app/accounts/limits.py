"""How often links may be asked for and tried: by mailbox, by network, and overall.

Constants, for they are the same wherever people sign in: enough for them, too few for machines.
They count what is asked, not what is found, so they hold alike for known and unknown addresses.
`network` is None where it is not counted.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import allowances
from app.core.allowances import Allowance, TooManyRequests
from app.core.crypto import sha256_hex

HOUR = 3600
RESEND_AFTER_SECONDS = 30
"""Between two links to one mailbox."""

LINKS_OF_MAILBOX = 5
"""An hour: enough for a link that is lost a few times over, too few to fill an inbox."""

LINKS_OF_NETWORK = 20
"""An hour: an office behind one address, at the start of its day."""

LINKS_OVERALL = 1000
"""An hour, so that a flood does not cost the mail server its good name."""

BAD_LINKS_OF_NETWORK = 30
"""An hour: old mails that are opened again. Guessing 256 bits would take far more."""


class TooManyLinks(TooManyRequests):
    """Links were asked for too often."""

    title = "Too many links were asked for"
    words = "Use the link in the newest mail that you have, or ask for another in {wait}."


async def take_link(session: AsyncSession, mailbox: str, *, network: str | None) -> None:
    """Take what asking for a link costs, or nothing. Raises TooManyLinks.

    `mailbox`: the one spelling of all addresses that lead to it.
    """
    digest = sha256_hex(mailbox)
    wanted = [
        Allowance(f"link-gap:{digest}", 1, RESEND_AFTER_SECONDS),
        Allowance(f"link-mailbox:{digest}", LINKS_OF_MAILBOX, HOUR),
        Allowance("link", LINKS_OVERALL, HOUR),
    ]
    if network is not None:
        wanted.append(Allowance(f"link-network:{network}", LINKS_OF_NETWORK, HOUR))
    await allowances.take(session, wanted, refusal=TooManyLinks)


async def check_bad_links(session: AsyncSession, *, network: str | None) -> None:
    """Raise TooManyRequests if the network has tried too many links that are none."""
    if network is not None:
        await allowances.look(session, [_bad_links(network)])


async def take_bad_link(session: AsyncSession, *, network: str | None) -> None:
    """Count a link that is none. Raises TooManyRequests when there were too many."""
    if network is not None:
        await allowances.take(session, [_bad_links(network)])


def _bad_links(network: str) -> Allowance:
    return Allowance(f"bad-link:{network}", BAD_LINKS_OF_NETWORK, HOUR)
