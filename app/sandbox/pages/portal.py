"""The customer portal: the card, the invoices, and ending the subscription."""

from typing import Any

from starlette.responses import Response

from app.sandbox.acts import customers, endings, invoices, subscriptions
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document
from app.sandbox.errors import ResourceMissing
from app.sandbox.pages.frame import Visit, chosen_card, go_to, noting_declines
from app.sandbox.pages.view import render
from app.sandbox.shapes.customer import CARDS

_SHOWN_INVOICES = 24


async def show(visit: Visit) -> Response:
    """GET /sandbox/portal/{id}."""
    done = visit.request.query_params.get("done", "")
    async with visit.books() as books:
        return await _page(books, visit, done=done)


async def change_card(visit: Visit) -> Response:
    """POST /sandbox/portal/{id}/card."""
    card = await chosen_card(visit)
    async with visit.books() as books:
        _, customer = await _enter(books, visit)
        if card is None:
            return await _page(books, visit, error="Choose a card.", status=422)
        async with noting_declines() as declines:
            await customers.change_card(books, customer, card)
        if declines:
            return await _page(books, visit, error=declines[0], status=402)
    return _done(visit, "card")


async def pay(visit: Visit) -> Response:
    """POST /sandbox/portal/{id}/pay: the open invoice named by `invoice`."""
    wanted = (await visit.form()).need("invoice")
    async with visit.books() as books:
        _, customer = await _enter(books, visit)
        invoice = await invoices.get_invoice(books, wanted)
        if invoice["customer"] != customer.id:
            raise ResourceMissing("invoice", wanted)
        async with noting_declines() as declines:
            await invoices.pay(books, invoice)
        if declines:
            return await _page(books, visit, error=declines[0], status=402)
    return _done(visit, "paid")


async def cancel(visit: Visit) -> Response:
    """POST /sandbox/portal/{id}/cancel: at the period's end."""
    return await _set_ending(visit, is_ending=True)


async def resume(visit: Visit) -> Response:
    """POST /sandbox/portal/{id}/resume: it renews again."""
    return await _set_ending(visit, is_ending=False)


async def _set_ending(visit: Visit, *, is_ending: bool) -> Response:
    wanted = (await visit.form()).need("subscription")
    async with visit.books() as books:
        _, customer = await _enter(books, visit)
        subscription = await subscriptions.get_subscription(books, wanted)
        if subscription["customer"] != customer.id:
            raise ResourceMissing("subscription", wanted)
        if subscription["status"] in endings.ENDED:
            return await _page(books, visit, error="It has ended already.", status=409)
        subscriptions.end_with_period(books, subscription, is_ending=is_ending)
        tell(books, "customer.subscription.updated", subscription)
    return _done(visit, "cancelled" if is_ending else "resumed")


async def _enter(books: Books, visit: Visit) -> tuple[Document, Document]:
    session = await books.get("billing_portal.session", visit.id)
    return session, await customers.get_customer(books, session["customer"])


async def _page(
    books: Books, visit: Visit, *, error: str = "", done: str = "", status: int = 200
) -> Response:
    session, customer = await _enter(books, visit)
    card_id = customer["invoice_settings"]["default_payment_method"]
    card = await books.find(card_id) if card_id else None
    bills = [one for one in await books.list_all("invoice", customer.id) if one["number"]]
    return render(
        "portal.html",
        status=status,
        session=session.object,
        customer=customer.object,
        card=card.object["card"] if card else None,
        cards=CARDS,
        plans=[await _plan(books, one) for one in await _plans(books, customer)],
        invoices=[one.object for one in reversed(bills)][:_SHOWN_INVOICES],
        error=error,
        done=done,
    )


async def _plans(books: Books, customer: Document) -> list[Document]:
    found = list(reversed(await books.list_all("subscription", customer.id)))
    running = [one for one in found if one["status"] not in endings.ENDED]
    return running or found[:1]


async def _plan(books: Books, subscription: Document) -> dict[str, Any]:
    item = subscription["items"]["data"][0]
    return {
        "id": subscription.id,
        "name": await subscriptions.product_name(books, item["price"]),
        "price": item["price"],
        "status": subscription["status"],
        "is_over": subscription["status"] in endings.ENDED,
        "ended_at": subscription["ended_at"],
        "cancel_at": subscription["cancel_at"],
        "renews_at": item["current_period_end"],
    }


def _done(visit: Visit, what: str) -> Response:
    return go_to(f"{visit.config.public_url}/sandbox/portal/{visit.id}?done={what}")
