"""The clock: what time it is in the sandbox, what happened, and what comes next."""

from typing import Any

from starlette.responses import Response

from app.sandbox.acts.due import move_sandbox_clock, settle_drafts
from app.sandbox.acts.endings import OPTIONS_ID
from app.sandbox.books import Books
from app.sandbox.delivery import send_again
from app.sandbox.document import Document
from app.sandbox.months import add_months
from app.sandbox.pages.frame import Visit, go_to
from app.sandbox.pages.view import render

_SHOWN_EVENTS = 50
_SHOWN_NEXT = 5
_HOUR, _DAY, _WEEK = 3_600, 86_400, 7 * 86_400
STEPS = ("hour", "day", "week", "month", "year")
OUTCOMES = {
    "unpaid": "The subscription becomes unpaid: access stops until the invoice is paid",
    "canceled": "The subscription is cancelled",
}


async def show(visit: Visit) -> Response:
    """GET /sandbox/clock."""
    async with visit.books() as books:
        options = await books.find(OPTIONS_ID)
        return render(
            "clock.html",
            now=books.now,
            is_moved=books.now != books.wall,
            steps=STEPS,
            upcoming=await _upcoming(books),
            events=await _happened(books),
            outcomes=OUTCOMES,
            outcome=options["after_last_retry"] if options else "unpaid",
        )


async def move(visit: Visit) -> Response:
    """POST /sandbox/clock: on by `step`, and by the hour that new invoices stay drafts."""
    step = (await visit.form()).choice("step", STEPS, "day")
    async with visit.books() as books:
        await move_sandbox_clock(books, _after(books.now, step))
        await settle_drafts(books)
    return _back(visit)


async def resend(visit: Visit) -> Response:
    """POST /sandbox/clock/resend: the delivery named by `delivery`, again and now."""
    wanted = (await visit.form()).need("delivery")
    async with visit.books() as books:
        await send_again(books, await books.get("delivery", wanted))
    return _back(visit)


async def set_options(visit: Visit) -> Response:
    """POST /sandbox/clock/options: what becomes of a subscription after the last retry."""
    outcome = (await visit.form()).choice("after_last_retry", OUTCOMES, "unpaid")
    async with visit.books() as books:
        options = await books.find(OPTIONS_ID)
        if options is None:
            books.add("options", {"id": OPTIONS_ID, "after_last_retry": outcome})
        else:
            options["after_last_retry"] = outcome
    return _back(visit)


def _after(now: int, step: str) -> int:
    if step in {"month", "year"}:
        return add_months(now, 1 if step == "month" else 12)
    return now + {"hour": _HOUR, "day": _DAY, "week": _WEEK}[step]


async def _upcoming(books: Books) -> list[dict[str, Any]]:
    due = await books.select(
        'clock = :clock AND "dueAt" IS NOT NULL',
        {"clock": ""},
        order='"dueAt", number',
        limit=_SHOWN_NEXT,
    )
    return [{"at": one.due_at, "words": _words(one), "id": one.id} for one in due]


def _words(document: Document) -> str:
    if document.kind == "checkout.session":
        return "An open checkout expires"
    if document.kind == "invoice":
        is_draft = document["status"] == "draft"
        return "A new invoice is charged" if is_draft else "A failed charge is tried again"
    if document["status"] == "incomplete":
        return "A subscription that was never paid expires"
    if document["cancel_at"] and document["cancel_at"] == document.due_at:
        return "A cancelled subscription ends"
    if document["items"]["data"][0]["current_period_end"] == document.due_at:
        return "A trial ends" if document["status"] == "trialing" else "A subscription renews"
    return "A trial's end is announced"


async def _happened(books: Books) -> list[dict[str, Any]]:
    events = await books.select("kind = 'event'", {}, order="number DESC", limit=_SHOWN_EVENTS)
    ids = [event.id for event in events]
    deliveries = {
        one["event"]: one
        for one in await books.select("kind = 'delivery' AND parent = ANY(:ids)", {"ids": ids})
    }
    return [_event_row(event, deliveries.get(event.id)) for event in events]


def _event_row(event: Document, delivery: Document | None) -> dict[str, Any]:
    about = event["data"]["object"]
    row = {"type": event["type"], "about": about["id"], "at": event["created"], "delivery": None}
    if delivery is not None:
        row["delivery"] = {
            "id": delivery.id,
            "state": delivery["state"],
            "tries": delivery.notes["attempts"],
            "answer": delivery.object.get("last_status") or delivery.object.get("last_words"),
        }
    return row


def _back(visit: Visit) -> Response:
    return go_to(f"{visit.config.public_url}/sandbox/clock")
