"""Addresses of the files under `assets/`, which carry their content's mark.

The frontend and the plain HTML pages link the same files; a changed file gets a new
address, so browsers may keep what they have.
"""

import hashlib
from functools import lru_cache

from app.core.settings import ROOT

ASSETS = ROOT / "assets"
"""Where the static files lie; they are served from `/`."""


@lru_cache(maxsize=32)
def asset_url(name: str) -> str:
    """`latchkey.css` -> `/latchkey.css?v=<mark>`. Raises FileNotFoundError for a wrong name."""
    mark = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:10]
    return f"/{name}?v={mark}"
