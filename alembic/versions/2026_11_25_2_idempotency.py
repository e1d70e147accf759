"""What `Idempotency-Key` needs: who has claimed a key, and what was answered.

A record is found by a digest, so that neither the key nor anything else of the request is in
the table; the answer is encrypted by the meter. `claim_keys` commits before the work. What
comes of it is written by `record_keyed_calls` in the same transaction as the call's row and
its charge: no crash comes between them.

A record that has expired counts as none. While the work runs that is the end of a short lease
which `extend_claims` puts off; afterwards it is the end of the time that the answer is kept.
"""

from alembic import op

revision = "2026_11_25_2"
down_revision = "2026_11_23_5"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE latchkey."IdempotencyRecord" (
    digest bytea PRIMARY KEY,
    fingerprint bytea NOT NULL,
    "callId" text COLLATE "C" NOT NULL,
    "isDone" boolean NOT NULL DEFAULT false,
    answer text,
    "expiresAt" timestamp(3) NOT NULL
);
-- For deleting what has expired: with 500,000 records a pass without it took 300 ms to find that
-- nothing is left, and 10 ms with it. Writing a record takes a tenth to a fifth longer.
CREATE INDEX "IdempotencyRecord_expiresAt_idx" ON latchkey."IdempotencyRecord" ("expiresAt");
-- What is encrypted does not get smaller.
ALTER TABLE latchkey."IdempotencyRecord" ALTER answer SET STORAGE EXTERNAL;
"""

FUNCTIONS = """
CREATE FUNCTION latchkey.claim_keys(
    digests bytea[], fingerprints bytea[], call_ids text[], may_claim boolean[],
    lease_seconds integer
) RETURNS TABLE (
    is_ours boolean, is_same boolean, call_id text, is_done boolean, answer_bytes integer,
    expires_in_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamp := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    -- Sorted, so that batches of two nodes never wait for each other's records crosswise. A
    -- record that stays as it is is locked all the same: what is read below is what it was.
    INSERT INTO latchkey."IdempotencyRecord" AS known (digest, fingerprint, "callId", "expiresAt")
    SELECT DISTINCT ON (c.digest) c.digest, c.fingerprint, c.call_id,
        now + lease_seconds * interval '1 second'
    FROM unnest(digests, fingerprints, call_ids, may_claim) WITH ORDINALITY
        AS c (digest, fingerprint, call_id, may_claim, position)
    WHERE c.may_claim ORDER BY c.digest, position
    ON CONFLICT (digest) DO UPDATE SET fingerprint = excluded.fingerprint,
        "callId" = excluded."callId", "isDone" = false, answer = NULL,
        "expiresAt" = excluded."expiresAt"
    WHERE known."expiresAt" <= now;
    RETURN QUERY SELECT known."callId" = c.call_id, known.fingerprint = c.fingerprint,
        known."callId", known."isDone", octet_length(known.answer),
        (extract(epoch FROM known."expiresAt" - now) * 1000)::bigint
    FROM unnest(digests, fingerprints, call_ids) WITH ORDINALITY
        AS c (digest, fingerprint, call_id, position)
    LEFT JOIN latchkey."IdempotencyRecord" AS known
        ON known.digest = c.digest AND known."expiresAt" > now
    ORDER BY position;
END
$$;
COMMENT ON FUNCTION latchkey.claim_keys IS
    'Claim these keys for these calls, each for one of them; says who has each now. With '
    'may_claim false it only looks. Bears being repeated.';

CREATE FUNCTION latchkey.extend_claims(
    digests bytea[], call_ids text[], lease_seconds integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    PERFORM FROM latchkey."IdempotencyRecord" WHERE digest = ANY (digests)
        ORDER BY digest FOR UPDATE;
    UPDATE latchkey."IdempotencyRecord" AS known SET "expiresAt" =
        clock_timestamp() AT TIME ZONE 'UTC' + lease_seconds * interval '1 second'
    FROM unnest(digests, call_ids) AS c (digest, call_id)
    WHERE known.digest = c.digest AND known."callId" = c.call_id AND NOT known."isDone";
END
$$;
COMMENT ON FUNCTION latchkey.extend_claims IS
    'The work of these calls goes on: they keep their keys for so long from now.';

CREATE FUNCTION latchkey.record_keyed_calls(
    node_slot smallint,
    ids text[], trial boolean[], key_ids text[], owner_ids text[], endpoints text[],
    methods text[], statuses integer[], latencies integer[], units integer[], created bigint[],
    request_bodies jsonb[], response_bodies jsonb[],
    scopes integer[], scope_ids text[], starts timestamp[],
    digests bytea[], fingerprints bytea[], answers text[], kept_seconds integer,
    OUT database_ms bigint, OUT totals bigint[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
    now timestamp := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    SELECT written.database_ms, written.totals INTO database_ms, totals
    FROM latchkey.record_calls(node_slot, ids, trial, key_ids, owner_ids, endpoints, methods,
        statuses, latencies, units, created, request_bodies, response_bodies, scopes, scope_ids,
        starts) AS written;
    PERFORM FROM latchkey."IdempotencyRecord" AS known WHERE known.digest = ANY (digests)
        ORDER BY known.digest FOR UPDATE;
    -- A lease that lapsed meanwhile does not matter, unless another call has the key by now.
    INSERT INTO latchkey."IdempotencyRecord" AS known
        (digest, fingerprint, "callId", "isDone", answer, "expiresAt")
    SELECT c.digest, c.fingerprint, c.call_id, true, c.answer,
        now + kept_seconds * interval '1 second'
    FROM unnest(digests, fingerprints, ids, statuses, answers)
        AS c (digest, fingerprint, call_id, status, answer)
    WHERE c.status BETWEEN 200 AND 299 ORDER BY c.digest
    ON CONFLICT (digest) DO UPDATE SET fingerprint = excluded.fingerprint,
        "callId" = excluded."callId", "isDone" = true, answer = excluded.answer,
        "expiresAt" = excluded."expiresAt"
    WHERE known."callId" = excluded."callId" OR known."expiresAt" <= now;
    DELETE FROM latchkey."IdempotencyRecord" AS known
    USING unnest(digests, ids, statuses) AS c (digest, call_id, status)
    WHERE c.status NOT BETWEEN 200 AND 299
        AND known.digest = c.digest AND known."callId" = c.call_id;
END
$$;
COMMENT ON FUNCTION latchkey.record_keyed_calls IS
    'As record_calls, and what becomes of the calls'' keys with it: 2xx answers are kept, all '
    'others give the key free.';
"""


def upgrade() -> None:
    for part in (TABLE, FUNCTIONS):
        # The driver itself: SQLAlchemy would take the colons for parameters.
        op.get_bind().connection.driver_connection.execute(part)


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION latchkey.record_keyed_calls, latchkey.extend_claims, latchkey.claim_keys"
    )
    op.execute('DROP TABLE latchkey."IdempotencyRecord"')
