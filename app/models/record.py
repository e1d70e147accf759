"""How a Python class becomes one of the document's tables: names and types, written once."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import configure_mappers, relationship
from sqlmodel import Field, SQLModel
from sqlmodel.main import SQLModelMetaclass
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from app.core.clock import DB_NOW, UtcTimestamp

OUR_SCHEMA = "latchkey"
"""Where our own tables live, so that the document's schema stays the document's."""


def column_name(attribute: str) -> str:
    """`user_id` → `userId`. A column that the document itself writes in snake_case names itself."""
    first, *rest = attribute.split("_")
    return first + "".join(word.capitalize() for word in rest)


class _RecordMeta(SQLModelMetaclass):
    """Gives the columns their document names and types before SQLAlchemy maps them."""

    def __init__(
        cls,  # noqa: N805  # a metaclass's self is a class
        classname: str,
        bases: tuple[type, ...],
        dict_: dict[str, Any],
        **kw: Any,
    ) -> None:
        for attribute, column in list(vars(cls).items()):
            if isinstance(column, Column):
                _fit(attribute, column)
        super().__init__(classname, bases, dict_, **kw)


def _fit(attribute: str, column: Column[Any]) -> None:
    if column.name is None:
        column.name = column.key = column_name(attribute)
    if isinstance(column.type, AutoString):
        column.type = Text()
    elif isinstance(column.type, UTCDateTime):
        column.type = UtcTimestamp()


class Record(SQLModel, metaclass=_RecordMeta):
    """A row. Attributes are snake_case, columns the document's; datetimes are aware UTC.

    What the database makes (`created_at`, `updated_at`) is there after a flush.
    """

    __mapper_args__ = {"eager_defaults": True}


def references(target: str, **kwargs: Any) -> Any:
    """A column that holds a row's id in `target` (`"User"`) and goes when that row goes."""
    key = ForeignKey(f"{target}.id", ondelete="CASCADE", onupdate="CASCADE")
    return Field(sa_column_args=[key], **kwargs)


def made_now() -> Any:
    """A moment that the database's clock gives when the row is inserted, unless it is given."""
    return Field(default=None, nullable=False, sa_column_kwargs={"default": DB_NOW})


def touched_now() -> Any:
    """A moment that the database's clock gives on insert and on every update."""
    return Field(
        default=None, nullable=False, sa_column_kwargs={"default": DB_NOW, "onupdate": DB_NOW}
    )


def named(name: str, default: Any = None) -> Any:
    """A column with a name of its own, not made from the attribute's."""
    return Field(default=default, sa_column_kwargs={"name": name})


def text_list() -> Any:
    """A nullable `text[]`."""
    return Field(default=None, sa_type=ARRAY(Text), nullable=True)


def json_value() -> Any:
    """A nullable `jsonb`; Python's None is SQL's NULL, never JSON's `null`."""
    return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)


def insert_parents_first(records: list[type[Record]]) -> None:
    """Let one flush insert rows in the order that their foreign keys ask for.

    SQLAlchemy orders inserts by relationships. We load rows by explicit queries, so each
    foreign key gets a private one that never loads anything by itself.
    """
    by_table = {record.__table__: record for record in records}  # type: ignore[attr-defined] # set by table=True
    for table, record in by_table.items():
        for key in table.foreign_keys:
            parent = by_table[key.column.table]
            link = relationship(parent, foreign_keys=[key.parent], lazy="raise")
            record.__mapper__.add_property(f"_{key.parent.key}_row", link)  # type: ignore[attr-defined] # set by table=True
    configure_mappers()
