"""Mail addresses and return paths, as strangers type them."""

from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from app.core.errors import InvalidRequest

DEFAULT_NEXT = "/overview/"
_LONGEST_NEXT = 1000


def parse_address(raw: str) -> str:
    """The address in the one spelling we store and compare: lower case, Unicode NFC.

    Raises InvalidRequest on field `email`. Asks no name server: a typo is found by the
    mail that does not arrive.
    """
    try:
        parsed = validate_email(raw.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidRequest(
            "This does not look like an email address. Check it and try again.",
            fields={"email": "must be an address like name@example.com"},
        ) from error
    if "=?" in parsed.local_part:
        # a mail program would decode it, and the link would go to another address
        raise InvalidRequest(fields={"email": "must be an address like name@example.com"})
    return parsed.normalized.lower()


def safe_next(raw: str | None) -> str:
    """A path on this site to return to after signing in; the overview for anything else."""
    if not raw or len(raw) > _LONGEST_NEXT or "\\" in raw:
        return DEFAULT_NEXT
    if not raw.startswith("/") or raw.startswith("//"):
        return DEFAULT_NEXT
    if any(not character.isprintable() or character.isspace() for character in raw):
        return DEFAULT_NEXT
    try:
        parts = urlsplit(raw)
    except ValueError:
        return DEFAULT_NEXT
    return DEFAULT_NEXT if parts.scheme or parts.netloc else raw
