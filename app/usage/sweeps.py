"""Removing what counts, or remarks on, keys, accounts and calls that are no more.

None of these tables has a foreign key, so that writing them locks nothing.
"""

from dataclasses import dataclass

from sqlalchemy import text

from app.core.database import unit_of_work
from app.usage.differences import ask

BATCH = 1000
"""Ids that are looked at, and rows that are deleted, in one transaction at most."""

_KEYS = ('public."ApiKeyMetadata"', 'public."TrialApiKey"')
_SCOPES = ('public."User"', 'public."TrialWorkspace"')
_CALLS = ('public."ApiCall"', 'latchkey."TrialApiCall"')
_SWEEP = text("""
    SELECT reached, deleted FROM latchkey.sweep(CAST(CAST(:swept AS text) AS regclass), :id_column,
        CAST(CAST(:owners AS text[]) AS regclass[]), :after, CAST(:before AS text), :most)
""")
# A remark may be there a moment before its call is.
_OLD_CALL = text("SELECT latchkey.first_call_id((now() AT TIME ZONE 'UTC') - interval '1 day')")


@dataclass(frozen=True, slots=True)
class _Swept:
    """A table, its column with the id of what it is about, and where that may be."""

    table: str
    id_column: str
    owners: tuple[str, ...]


_NOTES = _Swept('latchkey."CallNote"', "callId", _CALLS)
_ALL = (
    _Swept('latchkey."UsageHour"', "keyId", _KEYS),
    _Swept('latchkey."UsagePeriod"', "scopeId", _SCOPES),
    _Swept('latchkey."KeyLastUse"', "keyId", _KEYS),
    _Swept('latchkey."KeyLeak"', "keyId", _KEYS),
    _Swept('latchkey."KeyExposure"', "keyId", _KEYS),
    _Swept('latchkey."DeletedKey"', "scopeId", _SCOPES),
    _NOTES,
)


async def sweep(*, batch: int = BATCH) -> int:
    """Delete the rows of all these tables whose key, account or call is gone; says how many.

    In transactions of at most `batch` rows each, one after the other.
    """
    async with unit_of_work() as session:
        old_call = (await ask(session, _OLD_CALL))[0][0]
    deleted = 0
    for swept in _ALL:
        deleted += await _sweep(swept, before=old_call if swept is _NOTES else None, batch=batch)
    return deleted


async def _sweep(swept: _Swept, *, before: str | None, batch: int) -> int:
    after: str | None = ""
    deleted = 0
    while after is not None:
        async with unit_of_work() as session:
            [(after, count)] = await ask(
                session,
                _SWEEP,
                swept=swept.table,
                id_column=swept.id_column,
                owners=list(swept.owners),
                after=after,
                before=before,
                most=batch,
            )
        deleted += count
    return deleted
