"""Events, and test clocks."""

from app.sandbox.acts import due, endings
from app.sandbox.acts.events import tell
from app.sandbox.books import Books
from app.sandbox.document import Json
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_of
from app.sandbox.shapes.event import test_clock

_URL = "/v1/test_helpers/test_clocks"


async def retrieve(books: Books, params: Params, event_id: str) -> Json:
    """GET /v1/events/{id}."""
    return (await books.get("event", event_id)).object


async def list_(books: Books, params: Params) -> Json:
    """GET /v1/events, by type, and by whether their webhooks were delivered."""
    types = params.words("types")
    delivered = params.boolean("delivery_success")
    pending = {True: "0", False: "1", None: None}[delivered]
    filters = {
        "object->>'type' = :value": params.text("type"),
        "object->>'type' = ANY(:value)": types or None,
        "object->>'pending_webhooks' = :value": pending,
    }
    return await page_of(books, "event", params, "/v1/events", filters)


async def create_clock(books: Books, params: Params) -> Json:
    """POST /v1/test_helpers/test_clocks."""
    params.need("frozen_time")
    made = test_clock(
        params.integer("frozen_time") or 0, name=params.text("name") or None, created=books.wall
    )
    clock = books.add("test_helpers.test_clock", made)
    tell(books, "test_helpers.test_clock.created", clock)
    return clock.object


async def retrieve_clock(books: Books, params: Params, clock_id: str) -> Json:
    """GET /v1/test_helpers/test_clocks/{id}."""
    return (await books.get("test_helpers.test_clock", clock_id)).object


async def list_clocks(books: Books, params: Params) -> Json:
    """GET /v1/test_helpers/test_clocks."""
    return await page_of(books, "test_helpers.test_clock", params, _URL)


async def advance_clock(books: Books, params: Params, clock_id: str) -> Json:
    """POST /v1/test_helpers/test_clocks/{id}/advance: done when the answer comes."""
    clock = await books.get("test_helpers.test_clock", clock_id)
    params.need("frozen_time")
    await due.advance_test_clock(books, clock, params.integer("frozen_time") or 0)
    return clock.object


async def delete_clock(books: Books, params: Params, clock_id: str) -> Json:
    """DELETE /v1/test_helpers/test_clocks/{id}: its customers go, and nothing is due any more."""
    clock = await books.get("test_helpers.test_clock", clock_id)
    await books.use_clock(clock.id)
    for customer in await books.select("kind = 'customer' AND clock = :clock", {"clock": clock.id}):
        for subscription in await books.list_all("subscription", customer.id):
            if subscription["status"] not in endings.ENDED:
                await endings.end(books, subscription, reason="cancellation_requested")
        customer.object = {"id": customer.id, "object": "customer", "deleted": True}
    tell(books, "test_helpers.test_clock.deleted", clock)
    await books.remove(clock)
    return {"id": clock.id, "object": "test_helpers.test_clock", "deleted": True}
