"""Checkout sessions: opened by the API, completed by somebody with a card, or left to expire."""

from app.sandbox.acts import subscriptions
from app.sandbox.acts.customers import attach, get_customer, make_card, set_default_card
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.errors import CardError, InvalidRequest
from app.sandbox.shapes import customer as customer_shapes
from app.sandbox.shapes.customer import EMPTY_ADDRESS, TestCard
from app.sandbox.shapes.subscription import Wish


async def complete(books: Books, session: Document, card: TestCard) -> None:
    """Subscribe and pay. Raises CardError, the session still open, or InvalidRequest."""
    require_open(session)
    if card.conduct == "declined":
        raise CardError
    made = await make_card(books, card.token)
    customer = await _customer(books, session)
    attach(books, made, customer)
    if not customer["invoice_settings"]["default_payment_method"]:
        set_default_card(books, customer, made.id)
    wish = await _wish(books, session, made.id)
    subscription, invoice = await subscriptions.begin(
        books, customer, wish, card=made, in_checkout=True
    )
    session["status"], session["url"] = "complete", None
    session["payment_status"] = "paid" if invoice["amount_paid"] else "no_payment_required"
    session["customer"], session["subscription"] = customer.id, subscription.id
    session["invoice"] = invoice.id
    session["customer_details"] = _details(customer.object)
    session.due_at = None
    session.parent = customer.id
    tell(books, "checkout.session.completed", session)


async def expire(books: Books, session: Document) -> None:
    """Close it, unpaid. Raises InvalidRequest for one that is not open."""
    require_open(session)
    session["status"], session["url"] = "expired", None
    session.due_at = None
    tell(books, "checkout.session.expired", session)


def require_open(session: Document) -> None:
    """Raises InvalidRequest for a session that is complete or expired."""
    if session["status"] != "open":
        raise InvalidRequest(
            'Only Checkout Sessions with a status in ["open"] can be used; this one is '
            f"{session['status']}."
        )


def line_items(session: Document) -> list[Json]:
    """What is bought, as the API lists it."""
    return [
        {
            "id": f"li_{session.id[8:]}",
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": session["amount_subtotal"],
            "amount_tax": 0,
            "amount_total": session["amount_total"],
            "currency": session["currency"],
            "description": session.notes["product_name"],
            "price": session.notes["price"],
            "quantity": session.notes["quantity"],
        }
    ]


async def _customer(books: Books, session: Document) -> Document:
    if session["customer"]:
        return await get_customer(books, session["customer"])
    made = customer_shapes.customer(books.now, test_clock=None)
    made["email"] = session["customer_email"]
    customer = books.add("customer", made)
    tell(books, "customer.created", customer)
    return customer


async def _wish(books: Books, session: Document, card_id: str) -> Wish:
    data = session.notes["subscription_data"]
    trial_end = data["trial_end"]
    if data["trial_period_days"]:
        trial_end = books.now + data["trial_period_days"] * 86_400
    if trial_end is not None and trial_end <= books.now:
        trial_end = None  # it ended while the page was open
    return Wish(
        price=session.notes["price"],
        quantity=session.notes["quantity"],
        trial_end=trial_end,
        metadata=data["metadata"],
        default_payment_method=card_id,
        description=data["description"],
        missing_payment_method=data["missing_payment_method"],
    )


def _details(customer: Json) -> Json:
    return {
        "address": customer["address"] or dict(EMPTY_ADDRESS),
        "business_name": None,
        "email": customer["email"],
        "individual_name": None,
        "name": customer["name"],
        "phone": customer["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    }
