"""Sign-in links: asked for, mailed, and used once, in the browser that asked.

A request is a `SignInLink` row. The token is made only when the mail is sent (a retry
makes a new one), and only its digest is stored, in `VerificationToken` as the document
has it. Using a link deletes both, so however many try at once, one succeeds.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import outbox
from app.core.clock import DB_NOW
from app.core.crypto import new_token, sha256_hex
from app.core.errors import LatchkeyError
from app.core.ids import new_id
from app.models import SignInLink, VerificationToken

LINK_MINUTES = 10
SEND_TASK = "accounts:send_sign_in_link"


class LinkInvalid(LatchkeyError):
    """The link was used, has expired, was replaced by a newer one, or never existed."""

    status = 410
    code = "link_invalid"
    title = "This link no longer works"
    default_detail = "It was used already, or it is older than 10 minutes. Ask for a new one."


class OtherBrowser(LatchkeyError):
    """The link is good, but another browser asked for it."""

    status = 409
    code = "other_browser"
    title = "This link was asked for in another browser"
    default_detail = "Go on only if you asked for it yourself."


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a person asked for when they asked for a link."""

    email: str
    name: str | None
    company: str | None
    next: str


async def request_link(session: AsyncSession, request: LinkRequest, *, browser: str) -> str:
    """Note the wish and queue its mail; returns the request's id.

    `browser` is the random value of a cookie that only the asking browser holds. What it asked
    for before with this address ends: of its links only the newest works, and mail that a server
    has kept waiting is not sent any more. Another browser's links stay, or strangers could end
    them. Nothing here depends on whether the address is known.
    """
    await _forget_earlier(session, request.email, sha256_hex(browser))
    link = SignInLink(
        id=new_id(),
        email=request.email,
        name=request.name,
        company=request.company,
        next=request.next,
        browser_hash=sha256_hex(browser),
    )
    session.add(link)
    await session.flush()
    await outbox.defer(session, SEND_TASK, link_id=link.id)
    return link.id


async def issue_token(session: AsyncSession, link_id: str) -> tuple[str, str] | None:
    """Make the link's token for its mail: (address, token); None if the request is gone.

    A token made earlier for the same request stops working.
    """
    link = await session.get(SignInLink, link_id, with_for_update=True)
    if link is None:
        return None
    await _forget_token(session, link.token_hash)
    token = new_token()
    expires = DB_NOW + timedelta(minutes=LINK_MINUTES)
    link.token_hash = sha256_hex(token)
    session.add(VerificationToken(identifier=link.email, token=link.token_hash, expires=expires))
    return link.email, token


async def find_link(
    session: AsyncSession, token: str, *, for_update: bool = False
) -> SignInLink | None:
    """The request behind a token that still works, or None. Uses nothing up."""
    digest = sha256_hex(token)
    statement = (
        select(SignInLink)
        .join(VerificationToken, col(VerificationToken.token) == col(SignInLink.token_hash))
        .where(VerificationToken.token == digest, col(VerificationToken.expires) > DB_NOW)
    )
    if for_update:
        # of many who use a link at once, the first takes the row, and the others find none;
        # the mail job locks it first too, so the two cannot deadlock
        statement = statement.with_for_update(of=SignInLink)
    return (await session.exec(statement)).one_or_none()


def is_asking_browser(link: SignInLink, browser: str | None) -> bool:
    """Whether this browser is the one that asked for the link."""
    return secrets.compare_digest(link.browser_hash, sha256_hex(browser or ""))


async def use_link(
    session: AsyncSession, token: str, *, browser: str | None, knowingly: bool = False
) -> LinkRequest:
    """Use the link up and return what was asked for.

    `knowingly`: the person has read that another browser asked, and goes on. Raises
    LinkInvalid, or OtherBrowser (and then the link still works).
    """
    link = await find_link(session, token, for_update=True)
    if link is None:
        raise LinkInvalid
    if not knowingly and not is_asking_browser(link, browser):
        raise OtherBrowser
    await _forget_token(session, link.token_hash)
    request = LinkRequest(link.email, link.name, link.company, link.next or "")
    await session.delete(link)
    return request


async def delete_stale(session: AsyncSession) -> None:
    """Remove requests and tokens that nobody can use any more."""
    is_stale = col(SignInLink.created_at) < DB_NOW - timedelta(days=1)
    # by their requests: tokens of other programs are not ours to remove
    digests = select(SignInLink.token_hash).where(is_stale)
    await session.exec(delete(VerificationToken).where(col(VerificationToken.token).in_(digests)))
    await session.exec(delete(SignInLink).where(is_stale))


async def _forget_earlier(session: AsyncSession, email: str, browser_hash: str) -> None:
    """Rows first and then their tokens, as whoever uses a link locks them."""
    statement = (
        delete(SignInLink)
        .where(col(SignInLink.email) == email, col(SignInLink.browser_hash) == browser_hash)
        .returning(col(SignInLink.token_hash))
    )
    digests = (await session.exec(statement)).scalars().all()
    await session.exec(delete(VerificationToken).where(col(VerificationToken.token).in_(digests)))


async def _forget_token(session: AsyncSession, digest: str | None) -> None:
    statement = delete(VerificationToken).where(col(VerificationToken.token) == digest)
    await session.exec(statement)
