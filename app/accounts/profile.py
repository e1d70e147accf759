"""What people say of themselves: their name and their company."""

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import InvalidRequest
from app.models import User

LONGEST_NAME = 200
"""Characters of a person's or a company's name."""


def clean_name(raw: str) -> str | None:
    """The name with single spaces; None when nothing is left, or it holds what nobody can see."""
    text = " ".join(raw.split())
    return text if text and text.isprintable() and len(text) <= LONGEST_NAME else None


async def update_profile(
    session: AsyncSession, user_id: str, *, name: str | None = None, company: str | None = None
) -> None:
    """Give the account these names; an empty one takes the present one away, None leaves it.

    Raises InvalidRequest, by field.
    """
    given = {"name": name, "company": company}
    changed = {field: raw for field, raw in given.items() if raw is not None}
    faults = {field: fault for field, raw in changed.items() if (fault := _fault(raw))}
    if faults:
        raise InvalidRequest(fields=faults)
    user = await session.get_one(User, user_id)
    for field, raw in changed.items():
        setattr(user, field, clean_name(raw))


def _fault(raw: str) -> str | None:
    text = " ".join(raw.split())
    if len(text) > LONGEST_NAME:
        return f"At most {LONGEST_NAME} characters."
    if not text.isprintable():
        return "It holds a character that cannot be shown. Type it anew."
    return None
