"""Which fields of a body are masked, by their names."""

import re
from functools import lru_cache
from typing import Any

MASK = "[masked]"
"""What stands for a sensitive value."""

_SECRETS = (
    "authorization auth apikey apikeys accesskey secretkey privatekey signingkey bearer jwt "
    "token secret secrets password passwords passphrase passcode passwd pwd "
    "cookie cookies credential credentials sessionid"
)
_SECRET_ENDINGS = tuple(_SECRETS.split())
"""Not `tokens`: of those there is nearly always only a number."""

_PARTS = re.compile(r"[\[\].]+")
_NOT_COMPARED = str.maketrans("", "", "-_ ")
_LONGEST_NAME = 200
_LONGEST_REMEMBERED = 64
_MOST_REMEMBERED = 4096


class SensitiveNames(dict[str, bool]):
    """`names[field]`: whether its value is masked. Answers are remembered, boundedly.

    Masked are what an API declares and what ends like a secret (`X-Api-Key`, `access_token`),
    compared without case, `-`, `_` and spaces; in `user[name]` and `user.name` each part counts.
    Names over 200 characters are no names, and masked. None instead of a set: nothing is.
    """

    def __init__(self, declared: frozenset[str] | None):
        super().__init__()
        self._masks = declared is not None
        self._declared = frozenset(map(_folded, declared or ()))
        self.has_declared = bool(declared)
        self.harmless: set[str] = set()
        """Of the remembered ones those that are not masked."""

    def __missing__(self, name: str) -> bool:
        is_sensitive = self._masks and (
            len(name) > _LONGEST_NAME or any(map(self._is_sensitive, _PARTS.split(name)))
        )
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
            self.harmless.clear()
        if len(name) <= _LONGEST_REMEMBERED:
            self[name] = is_sensitive
            if not is_sensitive:
                self.harmless.add(name)
        return is_sensitive

    def _is_sensitive(self, part: str) -> bool:
        folded = _folded(part)
        return folded in self._declared or folded.endswith(_SECRET_ENDINGS)


def _folded(name: str) -> str:
    return name.casefold().translate(_NOT_COMPARED)


@lru_cache(maxsize=512)
def names_of(declared: frozenset[str]) -> SensitiveNames:
    """The names to mask where an operation declares these; made once for each set."""
    return SensitiveNames(declared)


NO_NAMES = SensitiveNames(None)
"""Nothing is masked by its name."""


def masked(value: Any) -> Any:
    """The mask; but nothing at all (null, and what is empty) stays as it is."""
    if value is None or value in ("", [], {}):
        return value
    return MASK
