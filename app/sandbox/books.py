"""The sandbox's documents, read and written in one transaction under one lock."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg.types.json
from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.database import unit_of_work
from app.sandbox.document import WALL, Document, Json
from app.sandbox.errors import ResourceMissing

Now = Callable[[], float]

CLOCK_ID = "sandbox_clock"
_LOCK = 7_208_420_611_004_233
"""Any number that nobody else locks; the same in every process."""

_COLUMNS = 'id, kind, parent, clock, "dueAt", object, notes'
_INSERT = text(f"""
    INSERT INTO latchkey."SandboxDocument" ({_COLUMNS})
    VALUES (:id, :kind, :parent, :clock, :due_at, :object, :notes)
""")  # noqa: S608  # our own columns
_UPDATE = text("""
    UPDATE latchkey."SandboxDocument"
    SET clock = :clock, "dueAt" = :due_at, object = :object, notes = :notes WHERE id = :id
""")
_DELETE = text('DELETE FROM latchkey."SandboxDocument" WHERE id = :id')


class Books:
    """What one request, or one tick of the clock, sees and changes.

    `now` is Unix time by the clock in use: the sandbox's own until `use_clock`. New documents
    belong to that clock.
    """

    def __init__(self, connection: AsyncConnection, wall: int, public_url: str):
        self.public_url = public_url
        self._connection = connection
        self._known: dict[str, Document] = {}
        self._kept: dict[str, Json] = {}
        self.wall = wall
        self.now = wall
        self.clock = ""
        self.request_id: str | None = None
        self.idempotency_key: str | None = None
        self.has_told = False

    async def use_clock(self, clock: str) -> None:
        """Tell the time by this test clock; "" is the sandbox's own."""
        self.clock = clock
        if clock:
            self.now = (await self.get("test_helpers.test_clock", clock))["frozen_time"]
        else:
            moved = await self.find(CLOCK_ID)
            self.now = self.wall + (moved["offset_seconds"] if moved else 0)

    async def find(self, document_id: str) -> Document | None:
        """The document of this id, if there is one."""
        if document_id not in self._known:
            await self.select("id = :id", {"id": document_id})
        return self._known.get(document_id)

    async def get(self, kind: str, document_id: str, *, param: str = "id") -> Document:
        """The document of this kind and id. Raises ResourceMissing, which names `param`."""
        found = await self.find(document_id)
        if found is None or found.kind != kind:
            raise ResourceMissing(
                kind.rpartition(".")[2].replace("_", " "), document_id, param=param
            )
        return found

    async def list_all(self, kind: str, parent: str | None = None) -> Sequence[Document]:
        """Every document of this kind (and of this parent), in the order of their making."""
        condition = "kind = :kind" + ("" if parent is None else " AND parent = :parent")
        return await self.select(condition, {"kind": kind, "parent": parent})

    async def select(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        order: str = "number",
        limit: int = 10_000,
    ) -> Sequence[Document]:
        """The documents that fit a condition in SQL; what was changed so far counts."""
        await self.save()
        query = text(
            f'SELECT {_COLUMNS} FROM latchkey."SandboxDocument" '  # noqa: S608  # conditions are ours
            f"WHERE {condition} ORDER BY {order} LIMIT :most_rows"
        )
        needed = {name: value for name, value in values.items() if f":{name}" in condition}
        rows = await self._connection.execute(query, {**needed, "most_rows": limit})
        return [self._met(row) for row in rows]

    async def count(self, condition: str, values: Mapping[str, Any]) -> int:
        """How many documents fit."""
        await self.save()
        query = text(f'SELECT count(*) FROM latchkey."SandboxDocument" WHERE {condition}')  # noqa: S608  # conditions are ours
        number: int = (await self._connection.execute(query, dict(values))).scalar_one()
        return number

    def add(
        self,
        kind: str,
        made: Json,
        *,
        parent: str | None = None,
        due_at: int | None = None,
        clock: str | None = None,
        notes: Json | None = None,
    ) -> Document:
        """Keep a new object; it is due by the clock in use, or by `clock`."""
        document = Document(
            id=made["id"],
            kind=kind,
            object=made,
            parent=parent,
            clock=self.clock if clock is None else clock,
            due_at=due_at,
            notes=notes or {},
        )
        self._known[document.id] = document
        return document

    async def remove(self, document: Document) -> None:
        """Forget it."""
        self._known.pop(document.id, None)
        if self._kept.pop(document.id, None) is not None:
            await self._connection.execute(_DELETE, {"id": document.id})

    async def save(self) -> None:
        """Write what is new or changed. The transaction commits it."""
        for document in list(self._known.values()):
            kept = self._kept.get(document.id)
            if kept is not None and document.is_in(kept):
                continue
            await self._connection.execute(_UPDATE if kept else _INSERT, _row(document))
            self._kept[document.id] = document.state()

    def _met(self, row: Row[Any]) -> Document:
        if row.id not in self._known:
            document = Document(
                row.id, row.kind, row.object, row.parent, row.clock, row.dueAt, row.notes
            )
            self._known[row.id] = document
            self._kept[row.id] = document.state()
        return self._known[row.id]


@asynccontextmanager
async def opened_books(now: Now, public_url: str) -> AsyncIterator[Books]:
    """The documents, alone, until the block ends; then all changes commit, or none."""
    async with unit_of_work() as session:
        connection = await session.connection()
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        books = Books(connection, int(now()), public_url)
        await books.use_clock("")
        yield books
        await books.save()


@asynccontextmanager
async def peeking(now: Now, public_url: str) -> AsyncIterator[Books]:
    """The documents as they are committed, without waiting for anybody; not to be changed."""
    async with unit_of_work() as session:
        books = Books(await session.connection(), int(now()), public_url)
        await books.use_clock("")
        yield books


def _row(document: Document) -> Json:
    json = psycopg.types.json.Jsonb
    return {
        "id": document.id,
        "kind": document.kind,
        "parent": document.parent,
        "clock": document.clock,
        "due_at": document.due_at,
        "object": json(document.object),
        "notes": json(document.notes),
    }


__all__ = ["CLOCK_ID", "WALL", "Books", "Now", "opened_books", "peeking"]
