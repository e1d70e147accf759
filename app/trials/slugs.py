"""A trial's part of an address, made from its name."""

import re

from anyascii import anyascii
from sqlalchemy import ColumnElement, Text, column, text

LONGEST_SLUG = 40
"""Without the number that makes it unique."""

_FALLBACK = "trial"
_OTHERS = re.compile(r"[^a-z0-9]+")

# Stops at the first number that is free, so it looks no further than it must.
_FREE = """
WITH RECURSIVE tried (number, slug) AS (
  SELECT 1, CAST(:wanted AS text)
  UNION ALL
  SELECT number + 1, concat(CAST(:wanted AS text), '-', number + 1) FROM tried
  WHERE EXISTS (SELECT FROM public."TrialWorkspace" AS known WHERE known.slug = tried.slug)
)
SELECT slug FROM tried ORDER BY number DESC LIMIT 1
"""


def slug_of(name: str) -> str:
    """The name in a-z, 0-9 and single hyphens, at most `LONGEST_SLUG`; of any script.

    A longer one ends with a whole word, where it has several. Of what cannot be written so,
    "trial".
    """
    slug = _OTHERS.sub("-", anyascii(name).lower()).strip("-")
    if len(slug) > LONGEST_SLUG:
        slug = slug[: LONGEST_SLUG + 1].rpartition("-")[0] or slug[:LONGEST_SLUG]
    return slug or _FALLBACK


def free_slug(wanted: str) -> ColumnElement[str]:
    """SQL: this slug, or the first of `wanted-2`, `wanted-3`, … that no trial has.

    Another transaction may take the same one meanwhile.
    """
    found = text(_FREE).bindparams(wanted=wanted)
    return found.columns(column("slug", Text)).scalar_subquery()
