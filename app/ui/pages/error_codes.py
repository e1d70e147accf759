"""Every error code of the API with its cause and what to do: what `type` links to."""

import reflex as rx

from app.ui.components import Column, mono, table
from app.ui.layouts import public_layout
from app.ui.pages.docs import docs_frame
from app.ui.pages.error_code_list import ERROR_CODES, ErrorCode

ROUTE = "/docs/errors"
TITLE = "Error codes"
DESCRIPTION = "Every error code of the API: its HTTP status, when it happens, and what to do."


def error_codes_page() -> rx.Component:
    """The table; each row's anchor is its code."""
    return public_layout(
        docs_frame(
            "/docs/errors/",
            rx.el.div(
                rx.el.h1("Error codes"),
                rx.el.p(
                    "Errors are problem details (RFC 9457): JSON with status, title, detail and a "
                    "code. Build on the code: it does not change.",
                    class_name="lead",
                ),
                class_name="stack",
            ),
            table("Error codes", _COLUMNS, ERROR_CODES, row_id=lambda row: row.code),
        ),
        active="/docs/",
    )


def _meaning(row: ErrorCode) -> rx.Component:
    return rx.el.div(rx.el.p(row.cause), rx.el.p(row.remedy, class_name="muted"))


_COLUMNS = (
    Column("Code", lambda row: mono(row.code), shrink=True),
    Column("Status", lambda row: mono(str(row.status)), shrink=True),
    Column("When, and what to do", _meaning, prose=True),
)
