"""What each process tells the others of the requests that it let in, for limits by the second.

Unlogged: of no use after a second, and a crash forgets nothing that anybody misses. A report is
news to whoever could not see its transaction in the snapshot of the last look: so none is missed
that commits late, and none is taken twice.
"""

from alembic import op

revision = "2026_11_25_8"
down_revision = "2026_11_25_7"
branch_labels = None
depends_on = None

REPORTS = """
CREATE UNLOGGED TABLE latchkey."RateReport" (
    node text NOT NULL,
    "reportedAt" timestamp(3) NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    digests text[] NOT NULL,
    counts integer[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- Digests do not shrink.
ALTER TABLE latchkey."RateReport" ALTER digests SET STORAGE EXTERNAL;
CREATE INDEX "RateReport_reportedAt_idx" ON latchkey."RateReport" ("reportedAt");

CREATE FUNCTION latchkey.report_rates(
    own_node text, seen pg_snapshot, own_digests text[], own_counts integer[]
) RETURNS TABLE (seen_now pg_snapshot, reports bigint, digests text, counts text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := now() AT TIME ZONE 'UTC';
BEGIN
    IF own_digests IS NOT NULL THEN
        IF seen IS NULL THEN
            -- At its first report: what others have left that are no more.
            DELETE FROM latchkey."RateReport" WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM latchkey."RateReport"
                WHERE "reportedAt" < now_utc - interval '1 minute' FOR UPDATE SKIP LOCKED));
        END IF;
        -- Its own alone, so that nobody waits for another's; not over what was deleted long ago.
        DELETE FROM latchkey."RateReport" WHERE node = own_node AND "reportedAt"
            BETWEEN now_utc - interval '1 minute' AND now_utc - interval '3 seconds';
        INSERT INTO latchkey."RateReport" (node, "reportedAt", digests, counts)
        VALUES (own_node, now_utc, own_digests, own_counts);
    END IF;
    RETURN QUERY
        WITH fresh AS (
            SELECT report.digests, report.counts FROM latchkey."RateReport" AS report
            -- At first what still matters to a bucket; then all that is new.
            WHERE report.node <> own_node AND CASE WHEN seen IS NULL
                THEN report."reportedAt" > now_utc - interval '1 second'
                ELSE NOT pg_visible_in_snapshot(report.xid, seen) END
                AND report."reportedAt" > now_utc - interval '2 seconds'
        )
        SELECT pg_current_snapshot(), (SELECT count(*) FROM fresh),
            string_agg(of_key.digest, ''), string_agg(of_key.taken::text, ',')
        FROM (
            SELECT one.digest, sum(one.count) AS taken
            FROM fresh, unnest(fresh.digests, fresh.counts) AS one (digest, count) GROUP BY 1
        ) AS of_key;
END
$$;
COMMENT ON FUNCTION latchkey.report_rates IS
    'Tell how many requests of which keys this process let in, or nothing (null); hear the '
    'snapshot of this look, and what others have told since that of the last: how many reports, '
    'and of which keys (SHA-256, one after the other in hexadecimal) how many requests.';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(REPORTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION latchkey.report_rates")
    op.execute('DROP TABLE latchkey."RateReport"')
