"""A batch of calls on its way to the database: its parameters, and what their answer settles."""

import time
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from app.metering.limits import Quota
from app.metering.wire import array, element

if TYPE_CHECKING:
    from app.metering.recorder import CallRow

_MOST_NAMES = 1000
_BETWEEN = "\x01"


class Sending:
    """Call rows as they are sent now, sorted by key.

    So that batches of two nodes never wait for each other's keys crosswise. A row is counted
    later while its account is far from the key's limit, if that `may_count_later`.
    """

    __slots__ = ("_later", "rows", "sent_at")

    def __init__(self, rows: Sequence["CallRow"], *, may_count_later: bool) -> None:
        self.rows = sorted(rows, key=_by_key) if len(rows) > 1 else rows
        self._later = [
            may_count_later and row.quota.total + row.quota.reserved < row.grant.terms.later_below
            for row in self.rows
        ]
        self.sent_at = time.monotonic()

    def columns(self) -> list[bytes | None]:
        """What is written of each: `ids` to `response_bodies`."""
        ids, grants, _, endpoints, methods, *numbers, requests, answers, _ = zip(
            *self.rows, strict=True
        )
        statuses, latencies, units, created, _ = numbers
        return [
            array(ids),
            array(["t" if grant.is_trial else "f" for grant in grants]),
            array([grant.key_element for grant in grants]),
            array([grant.owner_element for grant in grants]),
            array(map(_names.__getitem__, endpoints)),
            array(map(_names.__getitem__, methods)),
            _numbers(statuses),
            _numbers(latencies),
            _numbers(units),
            _numbers(created),
            _bodies(requests),
            _bodies(answers),
        ]

    def periods(self) -> list[bytes | None]:
        """`scope_ids`, `starts` and `at_once` of each."""
        quotas = [row.quota for row in self.rows]
        return [
            array([quota.scope_element for quota in quotas]),
            array([quota.starts_element for quota in quotas]),
            array(["f" if is_later else "t" for is_later in self._later]),
        ]

    def positions(self) -> list[bytes | None]:
        """`scopes`, and `scope_ids` and `starts` that they are positions in."""
        quotas = [row.quota for row in self.rows]
        ordered = _in_order(quotas)
        places = {quota: place for place, quota in enumerate(ordered, 1)}
        return [
            _numbers([places[quota] for quota in quotas]),
            array([quota.scope_element for quota in ordered]),
            array([quota.starts_element for quota in ordered]),
        ]

    def settle(self, totals: bytes | None, received: float, *, is_again: bool) -> set[Quota]:
        """They are committed: free what was reserved, learn the totals of all nodes.

        `totals` are those of the quotas whose calls were counted at once. Returns the others,
        and all if they were sent before: the first time they may have been counted later.
        """
        at_once: dict[Quota, int] = {}
        later: set[Quota] = set()
        for row, is_later in zip(self.rows, self._later, strict=True):
            quota = row.quota
            quota.reserved -= row.reserved
            if is_later:
                quota.settle_later(row.units, received)
                later.add(quota)
            else:
                at_once[quota] = at_once.get(quota, 0) + row.units
                if is_again:
                    quota.settle_later(0, received)
                    later.add(quota)
        if at_once:
            found = (totals or b"{}")[1:-1].split(b",")
            for quota, total in zip(_in_order(at_once), found, strict=True):
                quota.settle(int(total), at_once[quota], self.sent_at, received)
        return later


_by_key = attrgetter("grant.key_id")
_by_scope = attrgetter("scope_id", "starts_text")


def _in_order(quotas: Iterable[Quota]) -> list[Quota]:
    """Each once, in the order in which they are counted."""
    return sorted(set(quotas), key=_by_scope)


class _Names(dict[str, str]):
    """`element` of routes' and methods' names: few, and used again and again."""

    def __missing__(self, name: str) -> str:
        if len(self) > _MOST_NAMES:  # a program may invent methods
            self.clear()
        found = self[name] = element(name)
        return found


_names = _Names()


def _numbers(values: Iterable[int]) -> bytes:
    return f"{{{str(list(values))[1:-1]}}}".encode()


def _bodies(texts: Sequence[str | None]) -> bytes | None:
    if not any(texts):
        return None
    if None in texts:
        return array(["NULL" if text is None else element(text) for text in texts])
    # All in one step: no JSON text holds a control character but as an escape.
    joined = _BETWEEN.join(cast(Sequence[str], texts)).replace("\\", "\\\\").replace('"', '\\"')
    return f"""{{"{joined.replace(_BETWEEN, '","')}"}}""".encode()
