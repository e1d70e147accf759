"""Time. What decides (expiry of sessions, links, keys) is compared with the database's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Dialect, cast, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Interval, TypeDecorator, TypeEngine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession


class UtcTimestamp(TypeDecorator[datetime]):
    """The document's `timestamp(3)`: UTC without a zone there, an aware UTC datetime here.

    PostgreSQL rounds to milliseconds. A naive datetime is refused, for nobody knows its zone.
    """

    impl = TIMESTAMP
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=False, precision=3)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """`moment + timedelta` adds an interval; everything else is a moment."""
        return Interval() if isinstance(value, timedelta) else self

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The datetime in UTC, its zone taken off."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime for the database needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The stored datetime as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


DB_NOW: ColumnElement[datetime] = cast(func.timezone("UTC", func.now()), UtcTimestamp())
"""The database's clock in UTC, as of the transaction's start; whatever the session's zone is.

Use it as a value and in conditions, also as `DB_NOW + timedelta(…)`. (To *select* such a sum,
cast it to `UtcTimestamp()`, or it comes back without its zone.)
"""


async def read_now(session: AsyncSession) -> datetime:
    """`DB_NOW` in this transaction: for saying how much time is left. One statement."""
    return (await session.exec(select(DB_NOW))).one()


def utc_now() -> datetime:
    """This machine's clock, aware UTC. For showing and for tests: never for deciding."""
    return datetime.now(UTC)


def day_words(moment: datetime) -> str:
    """The day in UTC, as people read it: "25 December 2026"."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"
