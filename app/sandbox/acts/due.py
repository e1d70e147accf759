"""The clock: what is due happens in its order, each at its own time."""

from collections.abc import Awaitable, Callable

from app.sandbox.acts import checkout, invoices, subscriptions
from app.sandbox.acts.events import tell
from app.sandbox.books import CLOCK_ID, Books
from app.sandbox.document import Document
from app.sandbox.errors import InvalidRequest

MOST_STEPS = 10_000
"""Of one move; a clock that would need more is moved too far at once."""


async def run_invoice(books: Books, invoice: Document) -> None:
    """Finalise a draft, or charge an open invoice again."""
    if invoice["status"] == "draft":
        await invoices.finalize(books, invoice)
    await invoices.collect(books, invoice)


RUNNERS: dict[str, Callable[[Books, Document], Awaitable[None]]] = {
    "subscription": subscriptions.run,
    "invoice": run_invoice,
    "checkout.session": checkout.expire,
}


async def catch_up(books: Books, until: int | None = None) -> None:
    """Do all that is due by the clock in use until then, or until now."""
    until = books.now if until is None else until
    for _ in range(MOST_STEPS):
        due = await books.select(
            'clock = :clock AND "dueAt" <= :until',
            {"clock": books.clock, "until": until},
            order='"dueAt", number',
            limit=1,
        )
        if not due:
            books.now = until
            return
        books.now = due[0].due_at or until
        await RUNNERS[due[0].kind](books, due[0])
    raise InvalidRequest("Too much would happen at once: move the clock in smaller steps.")


async def move_sandbox_clock(books: Books, until: int) -> None:
    """Move the sandbox's own clock on. Raises InvalidRequest for a time that has passed."""
    if until < books.now:
        raise InvalidRequest("The clock moves forward only.", param="frozen_time")
    moved = await books.find(CLOCK_ID)
    if moved is None:
        moved = books.add("clock", {"id": CLOCK_ID, "offset_seconds": 0})
    await catch_up(books, until)
    moved["offset_seconds"] = until - books.wall


async def settle_drafts(books: Books) -> None:
    """Go on for the hour that new invoices stay drafts, if there are any."""
    latest = books.now + invoices.DRAFT_SECONDS
    waiting = await books.select(
        "kind = 'invoice' AND object->>'status' = 'draft' "
        'AND clock = :clock AND "dueAt" <= :latest',
        {"clock": books.clock, "latest": latest},
    )
    if waiting:
        await move_sandbox_clock(books, max(one.due_at or 0 for one in waiting))


async def advance_test_clock(books: Books, clock: Document, until: int) -> None:
    """Move a test clock on. Raises InvalidRequest for a time that has passed."""
    if until <= clock["frozen_time"]:
        raise InvalidRequest(
            "Test clock frozen time must be after the current frozen time.", param="frozen_time"
        )
    await books.use_clock(clock.id)
    await catch_up(books, until)
    clock["frozen_time"] = until
    tell(books, "test_helpers.test_clock.ready", clock)
