"""How PostgreSQL carries out what the code asks: which indexes, how many rows and pages."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import database


@dataclass(frozen=True)
class Plan:
    """One statement as it was carried out.

    `rows_read` counts those that a filter dropped, too, and not the entries of a bitmap.
    """

    nodes: list[dict[str, Any]]
    milliseconds: float

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def tables_read_whole(self) -> set[str]:
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    @property
    def rows_read(self) -> int:
        return round(sum(map(_rows_of, filter(_is_scan, self.nodes))))

    @property
    def pages(self) -> int:
        top = self.nodes[0]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def plans_of(
    session: AsyncSession, ask: Callable[[AsyncSession], Awaitable[Any]]
) -> list[Plan]:
    """The plans of the statements that `ask` sends; they are carried out once more for it."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    engine = database.engine().sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await ask(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    connection = await session.connection()
    plans = []
    for statement, parameters in sent:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        found = await connection.exec_driver_sql(explain, parameters)
        plan = found.scalar_one()[0]
        plans.append(Plan(list(_nodes(plan["Plan"])), plan["Execution Time"]))
    return plans


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _is_scan(node: dict[str, Any]) -> bool:
    kind = node["Node Type"]
    return "Scan" in kind and kind not in {"Bitmap Index Scan", "Subquery Scan"}


def _rows_of(node: dict[str, Any]) -> float:
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(rows * node["Actual Loops"])
