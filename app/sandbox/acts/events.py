"""Telling what happened: an event for the list, and its delivery, in the same transaction."""

import copy

from app.sandbox.books import Books
from app.sandbox.document import WALL, Document, Json, changes, new_object_id
from app.sandbox.shapes.event import event


def tell(books: Books, kind: str, document: Document) -> None:
    """Record the event and queue its webhook; an update that changed nothing is none."""
    data: Json = {"object": copy.deepcopy(document.object)}
    if kind.endswith(".updated"):
        previous = changes(document.told, document.object)
        if not previous:
            return
        data["previous_attributes"] = previous
    document.told = copy.deepcopy(document.object)
    request: Json = {"id": books.request_id, "idempotency_key": books.idempotency_key}
    made = event(kind, data, now=books.now, request=request)
    books.add("event", made, parent=document.parent or document.id)
    books.add(
        "delivery",
        {"id": new_object_id("whd"), "event": made["id"], "state": "pending"},
        parent=made["id"],
        clock=WALL,
        due_at=books.wall,
        notes={"attempts": 0},
    )
    books.has_told = True
