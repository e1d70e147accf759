"""The checkout page: what is bought, and with which card."""

from starlette.responses import Response

from app.sandbox.acts import checkout
from app.sandbox.books import Books
from app.sandbox.document import Document
from app.sandbox.pages.frame import Visit, chosen_card, go_to, noting_declines
from app.sandbox.pages.view import render
from app.sandbox.routes.checkout import get_session
from app.sandbox.shapes.customer import CARDS

_CHOOSE = "Choose a card."


async def show(visit: Visit) -> Response:
    """GET /sandbox/checkout/{id}."""
    async with visit.books() as books:
        session = await get_session(books, visit.id)
        return await _page(books, session)


async def pay(visit: Visit) -> Response:
    """POST /sandbox/checkout/{id}: subscribe, and go on to the success page."""
    card = await chosen_card(visit)
    async with visit.books() as books:
        session = await get_session(books, visit.id)
        if session["status"] != "open":
            return await _page(books, session)
        if card is None:
            return await _page(books, session, error=_CHOOSE, status=422)
        async with noting_declines() as declines:
            await checkout.complete(books, session, card)
        if declines:
            return await _page(books, session, error=declines[0], status=402)
        return go_to(_success_url(session))


async def _page(books: Books, session: Document, *, error: str = "", status: int = 200) -> Response:
    if session["status"] != "open":
        return render(
            "checkout_closed.html",
            session=session.object,
            success_url=_success_url(session),
            cancel_url=session["cancel_url"],
        )
    trial_end = session.notes["subscription_data"]["trial_end"]
    days = session.notes["subscription_data"]["trial_period_days"]
    customer = await books.find(session["customer"]) if session["customer"] else None
    return render(
        "checkout.html",
        status=status,
        session=session.object,
        price=session.notes["price"],
        product=session.notes["product_name"],
        quantity=session.notes["quantity"],
        trial_ends=trial_end or (books.now + days * 86_400 if days else None),
        email=customer["email"] if customer else session["customer_email"],
        cards=CARDS,
        error=error,
    )


def _success_url(session: Document) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session.id)
