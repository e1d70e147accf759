"""Customers and their cards."""

from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Document
from app.sandbox.errors import CardError, InvalidRequest, ResourceMissing
from app.sandbox.shapes import customer as shapes
from app.sandbox.shapes.customer import TestCard, conduct_of, find_card


async def get_customer(books: Books, customer_id: str, *, param: str = "customer") -> Document:
    """The customer, whose clock tells the time from here on. Raises ResourceMissing."""
    found = await books.get("customer", customer_id, param=param)
    if found.object.get("deleted"):
        raise ResourceMissing("customer", customer_id, param=param)
    if found.clock != books.clock:
        await books.use_clock(found.clock)
    return found


async def make_card(books: Books, token: str) -> Document:
    """A card from a test number or token, attached to nobody. Raises InvalidRequest."""
    card = find_card(token)
    if card is None:
        raise InvalidRequest(
            "The sandbox knows Stripe's test cards only: "
            + ", ".join(f"{one.token} ({one.number})" for one in shapes.CARDS),
            code="incorrect_number",
            param="card[number]",
        )
    made = shapes.payment_method(card, books.now)
    return books.add("payment_method", made)


async def find_or_make_card(books: Books, wanted: str) -> Document:
    """The card of this id, or a new one for a test token. Raises ResourceMissing."""
    if find_card(wanted):
        return await make_card(books, wanted)
    return await books.get("payment_method", wanted, param="payment_method")


def attach(books: Books, card: Document, customer: Document) -> None:
    """Give the card to the customer. Raises CardError for one that is declined at once."""
    if conduct_of(card.object) == "declined":
        raise CardError
    card["customer"] = customer.id
    card["billing_details"]["email"] = customer["email"]
    card["billing_details"]["name"] = customer["name"]
    card.parent = customer.id
    tell(books, "payment_method.attached", card)


def set_default_card(books: Books, customer: Document, card_id: str | None) -> None:
    """The card that invoices are charged to."""
    customer["invoice_settings"]["default_payment_method"] = card_id
    tell(books, "customer.updated", customer)


async def change_card(books: Books, customer: Document, card: TestCard) -> None:
    """As the portal does: the new card pays everything from now on. Raises CardError."""
    made = await make_card(books, card.token)
    attach(books, made, customer)
    set_default_card(books, customer, made.id)
    for subscription in await books.list_all("subscription", customer.id):
        if subscription["default_payment_method"] and not subscription["ended_at"]:
            subscription["default_payment_method"] = made.id
            tell(books, "customer.subscription.updated", subscription)


async def find_default_card(
    books: Books, customer: Document, subscription: Document | None
) -> Document | None:
    """What a charge goes to: the subscription's card, else the customer's."""
    own = subscription["default_payment_method"] if subscription else None
    card_id = own or customer["invoice_settings"]["default_payment_method"]
    return await books.find(card_id) if card_id else None
