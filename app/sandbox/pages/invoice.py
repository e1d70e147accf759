"""One invoice: what it charges, to be paid, and as a PDF."""

from starlette.responses import Response

from app.core.pages import PRIVATE_HEADERS
from app.sandbox.acts import invoices
from app.sandbox.books import Books
from app.sandbox.document import Document
from app.sandbox.errors import ResourceMissing
from app.sandbox.pages.frame import Visit, chosen_card, go_to, noting_declines
from app.sandbox.pages.pdf import one_page
from app.sandbox.pages.view import day, money, render
from app.sandbox.shapes.customer import CARDS


async def show(visit: Visit) -> Response:
    """GET /sandbox/invoices/{id}."""
    async with visit.books() as books:
        return _page(await _get(books, visit))


async def pay(visit: Visit) -> Response:
    """POST /sandbox/invoices/{id}: with the chosen card, which is not kept."""
    card = await chosen_card(visit)
    async with visit.books() as books:
        invoice = await _get(books, visit)
        if card is None:
            return _page(invoice, error="Choose a card.", status=422)
        async with noting_declines() as declines:
            await invoices.pay_with(books, invoice, card)
        if declines:
            return _page(invoice, error=declines[0], status=402)
    return go_to(f"{visit.config.public_url}/sandbox/invoices/{visit.id}")


async def download(visit: Visit) -> Response:
    """GET /sandbox/invoices/{id}/pdf."""
    async with visit.books() as books:
        invoice = await _get(books, visit)
    name = f"invoice-{invoice['number']}.pdf"
    headers = {**PRIVATE_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(one_page(_lines(invoice)), headers=headers, media_type="application/pdf")


async def _get(books: Books, visit: Visit) -> Document:
    invoice = await invoices.get_invoice(books, visit.id)
    if invoice["status"] == "draft":
        raise ResourceMissing("invoice", visit.id)
    return invoice


def _page(invoice: Document, *, error: str = "", status: int = 200) -> Response:
    return render("invoice.html", status=status, invoice=invoice.object, cards=CARDS, error=error)


def _lines(invoice: Document) -> list[str]:
    currency = invoice["currency"]
    return [
        f"Invoice {invoice['number']}",
        "Sandbox: no money moves.",
        "",
        f"Date: {day(invoice['created'])}",
        f"For: {invoice['customer_email'] or invoice['customer']}",
        f"Status: {invoice['status']}",
        "",
        *(
            f"{line['description']}: {money(line['amount'], currency)}"
            for line in invoice["lines"]["data"]
        ),
        "",
        f"Total: {money(invoice['total'], currency)}",
        f"Amount due: {money(invoice['amount_due'], currency)}",
        f"Paid: {money(invoice['amount_paid'], currency)}",
    ]
