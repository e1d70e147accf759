"""Tables on wide screens, lists of labelled lines at 360 px, from one description."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

Cell = rx.Component | rx.Var[Any] | str


@dataclass(frozen=True)
class Column:
    """One column: its label, and how a row's value is shown.

    `render` takes a row (inside `rx.foreach`, so a Var). `numeric` aligns to the right;
    `shrink` takes no more width than needed; `prose` is longer text, which on small
    screens stands under its label; `is_label_hidden` keeps the label for screen readers.
    """

    label: str
    render: Callable[[Any], Cell]
    numeric: bool = False
    shrink: bool = False
    prose: bool = False
    is_label_hidden: bool = False

    @property
    def classes(self) -> str:
        """The column's CSS classes."""
        named = {"num": self.numeric, "shrink": self.shrink, "prose": self.prose}
        return " ".join(name for name, given in named.items() if given)


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Any] | rx.Var[list[Any]],
    *,
    row_id: Callable[[Any], str] | None = None,
) -> rx.Component:
    """A table with a spoken `caption`; `rows` are plain values or a state's list.

    `row_id` gives rows an anchor. The roles are spelled out because the small-screen
    layout would otherwise take them away.
    """
    return rx.el.table(
        rx.el.caption(caption, class_name="sr-only"),
        rx.el.thead(rx.el.tr(*[_head(column) for column in columns], role="row"), role="rowgroup"),
        rx.el.tbody(_rows(columns, rows, row_id), role="rowgroup"),
        class_name="table",
        role="table",
    )


def _rows(
    columns: Sequence[Column],
    rows: Sequence[Any] | rx.Var[list[Any]],
    row_id: Callable[[Any], str] | None,
) -> rx.Component:
    def draw(row: Any) -> rx.Component:
        anchor = {"id": row_id(row)} if row_id else {}
        return rx.el.tr(*[_cell(column, row) for column in columns], role="row", **anchor)

    if isinstance(rows, rx.Var):
        return rx.foreach(rows, draw)
    return rx.fragment(*[draw(row) for row in rows])


def _head(column: Column) -> rx.Component:
    label = (
        rx.el.span(column.label, class_name="sr-only") if column.is_label_hidden else column.label
    )
    return rx.el.th(label, scope="col", role="columnheader", class_name=column.classes)


def _cell(column: Column, row: Any) -> rx.Component:
    label = {} if column.is_label_hidden else {"data-label": column.label}
    return rx.el.td(column.render(row), role="cell", class_name=column.classes, custom_attrs=label)
