"""What the inner app may know of who calls it."""

from collections.abc import Callable

_MOST_UNITS = 2**31 - 1  # the column is an integer


class Caller:
    """The caller of this request, in `scope["latchkey"]`: ids, tier, and what the call costs."""

    __slots__ = ("_keep", "key_id", "owner_id", "tier")

    def __init__(self, key_id: str, tier: str, owner_id: str, keep: Callable[[int], None]):
        self.key_id = key_id
        self.tier = tier
        self.owner_id = owner_id
        self._keep = keep

    def reserve(self, units: int) -> None:
        """Say what this call really costs, before the work; the last word counts.

        Charged only if the answer is 2xx or 3xx. Raises ValueError unless 0 <= units < 2**31,
        and QuotaExceeded when there are not so many left: let it pass, it becomes the answer.
        """
        if isinstance(units, bool) or not isinstance(units, int):
            raise ValueError("units must be a whole number")  # noqa: TRY004  # one error to expect
        if not 0 <= units <= _MOST_UNITS:
            raise ValueError("units must be from 0 to 2147483647")
        self._keep(units)
