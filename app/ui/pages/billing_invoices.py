"""The customer's invoices, as Stripe has them."""

from typing import Any

import reflex as rx

from app.ui.components import (
    Column,
    badge,
    banner,
    button,
    day_time,
    empty_state,
    mono,
    plain_link,
    skeleton,
    table,
)
from app.ui.pages.billing_state import BillingState


def invoices() -> rx.Component:
    """Newest first, each with its own page and its file."""
    columns = [
        Column("Invoice", lambda invoice: mono(invoice.number)),
        Column("Date", lambda invoice: day_time(invoice.at, invoice.day)),
        Column("Status", lambda invoice: badge(invoice.status, invoice.tone)),
        Column("Amount", lambda invoice: invoice.amount, numeric=True),
        Column("Links", _invoice_links, shrink=True),
    ]
    return rx.el.section(
        rx.el.h2("Invoices"),
        rx.cond(BillingState.invoices_problem, _invoices_failed()),
        rx.cond(
            BillingState.has_invoices,
            rx.cond(
                BillingState.invoices,
                table("Your invoices", columns, BillingState.invoices),
                empty_state("No invoices yet", "The first one comes with your first payment."),
            ),
            rx.cond(BillingState.invoices_problem, rx.fragment(), skeleton("row", "row")),
        ),
        class_name="stack",
        aria_label="Invoices",
    )


def _invoices_failed() -> rx.Component:
    return banner(
        "The invoices could not be loaded. ",
        BillingState.invoices_problem,
        tone="warn",
        action=button("Try again", on_click=BillingState.load_invoices),
    )


def _invoice_links(invoice: Any) -> rx.Component:
    """The invoice's own page, where an open one is paid, and its file."""
    return rx.el.span(
        rx.cond(
            invoice.hosted_url,
            plain_link(
                rx.cond(invoice.is_open, "Pay", "View"),
                invoice.hosted_url,
                aria_label=rx.cond(invoice.is_open, "Pay ", "View ") + invoice.number,
            ),
        ),
        rx.cond(
            invoice.pdf_url,
            plain_link("PDF", invoice.pdf_url, aria_label="PDF of " + invoice.number),
        ),
        class_name="row",
    )
