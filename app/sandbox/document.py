"""One thing that the sandbox keeps: its object in Stripe's shape, and what happens to it when."""

import copy
import secrets
import string
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

WALL = "wall"
"""The clock of what happens by real time: deliveries."""

_LETTERS = string.digits + string.ascii_letters
_ID_LETTERS = 24


@dataclass(eq=False)
class Document:
    """A row of the table. Change `object`, `notes` and `due_at` freely; `Books` writes them.

    `due_at` is in Unix seconds, by the clock named `clock`: a test clock's id, the sandbox's own
    ("") or `WALL`.
    """

    id: str
    kind: str
    object: Json
    parent: str | None = None
    clock: str = ""
    due_at: int | None = None
    notes: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.told: Json = copy.deepcopy(self.object)

    def __getitem__(self, name: str) -> Any:
        return self.object[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.object[name] = value

    def state(self) -> Json:
        """A copy of all that can change."""
        return copy.deepcopy({"object": self.object, "notes": self.notes, "due": self.due_at})

    def is_in(self, state: Json) -> bool:
        """Whether nothing has changed since then."""
        return state == {"object": self.object, "notes": self.notes, "due": self.due_at}


def new_object_id(prefix: str) -> str:
    """An id that nobody can guess, as `cus_…`."""
    return f"{prefix}_" + "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))


def changes(before: Json, after: Json) -> Json:
    """Stripe's `previous_attributes`: the old values of what differs, nested as the object is."""
    found: Json = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        found[name] = changes(old, new) if both else copy.deepcopy(old)  # type: ignore[arg-type]  # both are dicts
    return found
