"""Removing the records of `Idempotency-Key`s whose time is over."""

import psycopg

BATCH_ROWS = 1000

# Those that a call is claiming anew just now are left to it.
_DELETE = """
    DELETE FROM latchkey."IdempotencyRecord" WHERE digest IN (
        SELECT digest FROM latchkey."IdempotencyRecord"
        WHERE "expiresAt" <= now() AT TIME ZONE 'UTC'
        ORDER BY "expiresAt" LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


async def delete_expired(url: str, batch_rows: int = BATCH_ROWS) -> int:
    """Delete them, so many in a transaction, until none is left; returns how many they were."""
    deleted = 0
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, prepare_threshold=None
    ) as connection:
        while True:
            cursor = await connection.execute(_DELETE, [batch_rows])
            deleted += cursor.rowcount
            if cursor.rowcount < batch_rows:
                return deleted
