"""Proof that the counters equal the log: what the log says, what differs, and setting it right.

`count_calls` is the one definition of what `UsageHour` holds of a range of time. Everything
here reads one snapshot, in which calls that are not folded yet are counted too, so it is right
while calls are being recorded. `UsageHour` is written under `fold_usage`'s lock, which no call
waits for; to `UsagePeriod` the difference is added, so that nothing counted meanwhile is lost.

To which period a call was counted follows from the subscription of that moment, which nobody
keeps. So periods that overlap (the plan was changed), or meet where calls were just then
being made, are compared by their sum; all others one by one.
"""

from alembic import op

revision = "2026_11_25_4"
down_revision = "2026_11_25_3"
branch_labels = None
depends_on = None

TABLES = """
-- The hours of a range of time, of all keys: without it each day's comparison reads them all.
-- With the key, or fold_usage would be planned to read an hour's rows of all keys by it, and
-- take twice as long; so it takes no longer than without the index.
CREATE INDEX "UsageHour_hour_keyId_idx" ON latchkey."UsageHour" (hour, "keyId");

-- A deleted key takes its calls along, but what they used stays used: remember whose it was.
CREATE TABLE latchkey."DeletedKey" (
    "keyId" text PRIMARY KEY,
    "scopeId" text NOT NULL,
    "deletedAt" timestamp(3) NOT NULL
);
CREATE INDEX "DeletedKey_scopeId_idx" ON latchkey."DeletedKey" ("scopeId");

-- No foreign key: it is written beside the hot path and must lock no key.
CREATE TABLE latchkey."KeyLeak" (
    "keyId" text PRIMARY KEY,
    "firstSeenAt" timestamp(3) NOT NULL,
    "lastSeenAt" timestamp(3) NOT NULL,
    times bigint NOT NULL,
    "toldOn" date
);

CREATE FUNCTION latchkey.keep_deleted_key() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may delete a key need not be allowed anything in our schema.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO latchkey."DeletedKey" AS known ("keyId", "scopeId", "deletedAt")
    VALUES (OLD.id, to_jsonb(OLD) ->> TG_ARGV[0], now() AT TIME ZONE 'UTC')
    ON CONFLICT ("keyId") DO UPDATE SET
        "scopeId" = excluded."scopeId", "deletedAt" = excluded."deletedAt";
    RETURN NULL;
END
$$;
CREATE TRIGGER latchkey_keep AFTER DELETE ON public."ApiKeyMetadata" FOR EACH ROW
EXECUTE FUNCTION latchkey.keep_deleted_key('userId');
CREATE TRIGGER latchkey_keep AFTER DELETE ON public."TrialApiKey" FOR EACH ROW
EXECUTE FUNCTION latchkey.keep_deleted_key('workspaceId');
"""

RANGES = """
CREATE FUNCTION latchkey.log_begins(log regclass) RETURNS timestamp
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    month timestamp;
    earlier timestamp;
BEGIN
    SELECT min(to_date(right(part.relname, 7), 'YYYY_MM'))::timestamp INTO month
    FROM pg_catalog.pg_inherits
    JOIN pg_catalog.pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = log AND part.relname ~ '_[0-9]{4}_[0-9]{2}$';
    EXECUTE format('SELECT date_trunc(''hour'', min("createdAt")) FROM latchkey.%I',
        (SELECT relname || '_before' FROM pg_catalog.pg_class WHERE oid = log)) INTO earlier;
    RETURN least(month, earlier);
END
$$;
COMMENT ON FUNCTION latchkey.log_begins IS
    'From when on the log is whole: its oldest month, or the oldest call in the range before it. '
    'Whoever drops a month also deletes that month''s calls from the other ranges.';

CREATE FUNCTION latchkey.next_usage_hour(since timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT
RETURN date_trunc('hour', least(
    (SELECT min("createdAt") FROM public."ApiCall" WHERE "createdAt" >= since),
    (SELECT min("createdAt") FROM latchkey."TrialApiCall" WHERE "createdAt" >= since),
    (SELECT min(hour) FROM latchkey."UsageHour" WHERE hour >= since)));
COMMENT ON FUNCTION latchkey.next_usage_hour IS
    'The first hour from this moment on with a call or a counter, or null.';
"""

COUNTED = """
key_id text, hour timestamp, endpoint text, status_class smallint, bucket smallint,
calls bigint, units bigint, latency_ms bigint
"""

HOUR_DIFFERENCE = """
key_id text, hour timestamp, endpoint text, status_class smallint,
log_calls bigint, log_units bigint, log_latency_ms bigint,
counted_calls bigint, counted_units bigint, counted_latency_ms bigint,
hour_calls bigint, hour_units bigint, hour_latency_ms bigint,
hour_buckets smallint[], hour_counts bigint[]
"""

HOURS = f"""
CREATE FUNCTION latchkey.count_calls(since timestamp, until timestamp, one_key text)
RETURNS TABLE ({COUNTED}) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT call."apiKeyId", date_trunc('hour', call."createdAt"), call.endpoint,
        (call."statusCode" / 100)::smallint, latchkey.latency_bucket(call."latencyMs"),
        count(*), sum(call.units), sum(call."latencyMs")
    FROM (
        SELECT "apiKeyId", "createdAt", endpoint, "statusCode", "latencyMs", units
        FROM public."ApiCall"
        UNION ALL
        SELECT "apiKeyId", "createdAt", endpoint, "statusCode", "latencyMs", units
        FROM latchkey."TrialApiCall"
    ) AS call
    WHERE call."createdAt" >= since AND call."createdAt" < until
        AND (one_key IS NULL OR call."apiKeyId" = one_key)
    GROUP BY 1, 2, 3, 4, 5
$$;
COMMENT ON FUNCTION latchkey.count_calls IS
    'What both logs say that UsageHour holds, a row for each bucket of latency. `one_key` may be '
    'null; the range should begin and end on whole hours.';

CREATE FUNCTION latchkey.count_pending(since timestamp, until timestamp, one_key text)
RETURNS TABLE ({COUNTED}) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT one.key_id, date_trunc('hour', at.moment), one.endpoint,
        (one.status / 100)::smallint, latchkey.latency_bucket(one.latency),
        sum(at.weight), sum(one.units::bigint * at.weight)::bigint,
        sum(one.latency::bigint * at.weight)::bigint
    FROM latchkey."UsageDelta" AS delta, unnest(delta."keyIds", delta."createdMs",
        delta.endpoints, delta.statuses, delta.latencies, delta.units, delta.weights)
        AS one (key_id, ms, endpoint, status, latency, units, weight),
        LATERAL (SELECT timestamp 'epoch' + one.ms * interval '1 millisecond',
            coalesce(one.weight, 1)) AS at (moment, weight)
    WHERE at.moment >= since AND at.moment < until AND (one_key IS NULL OR one.key_id = one_key)
    GROUP BY 1, 2, 3, 4, 5
$$;
COMMENT ON FUNCTION latchkey.count_pending IS
    'What fold_usage has not yet moved into UsageHour, in the form of count_calls.';

CREATE FUNCTION latchkey.compare_hours(since timestamp, until timestamp, one_key text)
RETURNS TABLE ({HOUR_DIFFERENCE}) LANGUAGE sql STABLE AS $$
    WITH part AS (
        SELECT 'log' AS source, log.*, log.calls AS in_bucket
        FROM latchkey.count_calls(since, until, one_key) AS log
        UNION ALL
        SELECT 'pending', pending.*, pending.calls
        FROM latchkey.count_pending(since, until, one_key) AS pending
        UNION ALL
        SELECT 'hour', h."keyId", h.hour, h.endpoint, h."statusClass", b.bucket,
            CASE b.place WHEN 1 THEN h.calls END, CASE b.place WHEN 1 THEN h.units END,
            CASE b.place WHEN 1 THEN h."latencyMs" END, b.in_bucket
        FROM latchkey."UsageHour" AS h, LATERAL (
            SELECT bucket, coalesce(in_bucket, 0), coalesce(place, 1) FROM (VALUES (1)) AS always
            LEFT JOIN unnest(h."latencyBuckets", h."latencyCounts") WITH ORDINALITY
                AS kept (bucket, in_bucket, place) ON true
        ) AS b (bucket, in_bucket, place)
        WHERE h.hour >= since AND h.hour < until AND (one_key IS NULL OR h."keyId" = one_key)
    ), by_bucket AS (
        SELECT part.key_id, part.hour, part.endpoint, part.status_class, part.bucket,
            sum(calls) FILTER (WHERE source = 'log') AS log_calls,
            sum(units) FILTER (WHERE source = 'log') AS log_units,
            sum(latency_ms) FILTER (WHERE source = 'log') AS log_latency_ms,
            sum(calls) FILTER (WHERE source <> 'log') AS calls,
            sum(units) FILTER (WHERE source <> 'log') AS units,
            sum(latency_ms) FILTER (WHERE source <> 'log') AS latency_ms,
            sum(calls) FILTER (WHERE source = 'pending') AS pending_calls,
            sum(units) FILTER (WHERE source = 'pending') AS pending_units,
            sum(latency_ms) FILTER (WHERE source = 'pending') AS pending_latency_ms,
            sum(CASE source WHEN 'log' THEN in_bucket ELSE - in_bucket END) AS lacking,
            coalesce(sum(CASE source WHEN 'log' THEN in_bucket WHEN 'pending' THEN - in_bucket
                END), 0) AS in_hour
        FROM part GROUP BY 1, 2, 3, 4, 5
    ), by_hour AS (
        SELECT b.key_id, b.hour, b.endpoint, b.status_class,
            coalesce(sum(b.log_calls), 0) AS log_calls,
            coalesce(sum(b.log_units), 0) AS log_units,
            coalesce(sum(b.log_latency_ms), 0) AS log_latency_ms,
            coalesce(sum(b.calls), 0) AS calls, coalesce(sum(b.units), 0) AS units,
            coalesce(sum(b.latency_ms), 0) AS latency_ms,
            coalesce(sum(b.pending_calls), 0) AS pending_calls,
            coalesce(sum(b.pending_units), 0) AS pending_units,
            coalesce(sum(b.pending_latency_ms), 0) AS pending_latency_ms,
            bool_or(b.lacking <> 0) AS is_other_histogram,
            coalesce(array_agg(b.bucket) FILTER (WHERE b.in_hour <> 0), '{{}}') AS buckets,
            coalesce(array_agg(b.in_hour::bigint) FILTER (WHERE b.in_hour <> 0), '{{}}') AS counts
        FROM by_bucket AS b GROUP BY 1, 2, 3, 4
    ), begins AS MATERIALIZED (
        SELECT latchkey.log_begins('public."ApiCall"') AS live,
            latchkey.log_begins('latchkey."TrialApiCall"') AS trial
    )
    SELECT d.key_id, d.hour, d.endpoint, d.status_class,
        d.log_calls::bigint, d.log_units::bigint, d.log_latency_ms::bigint,
        d.calls::bigint, d.units::bigint, d.latency_ms::bigint,
        (d.log_calls - d.pending_calls)::bigint, (d.log_units - d.pending_units)::bigint,
        (d.log_latency_ms - d.pending_latency_ms)::bigint, d.buckets, d.counts
    FROM by_hour AS d, begins
    WHERE (d.log_calls <> d.calls OR d.log_units <> d.units OR d.log_latency_ms <> d.latency_ms
            OR d.is_other_histogram)
        -- A key that is gone took its calls along; the sweep removes its hours.
        AND (d.hour >= begins.live
                AND EXISTS (SELECT FROM public."ApiKeyMetadata" AS k WHERE k.id = d.key_id)
            OR d.hour >= begins.trial
                AND EXISTS (SELECT FROM public."TrialApiKey" AS k WHERE k.id = d.key_id))
$$;
COMMENT ON FUNCTION latchkey.compare_hours IS
    'Where UsageHour, with what is pending, and the logs differ; `hour_…` is what it should hold. '
    'Only hours that the log of the key still has; the range is of whole hours.';

CREATE FUNCTION latchkey.repair_hours(since timestamp, until timestamp, one_key text)
RETURNS TABLE ({HOUR_DIFFERENCE}) LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    -- fold_usage's: nobody else writes UsageHour while we hold it.
    PERFORM pg_advisory_xact_lock(5248220261124);
    RETURN QUERY
    WITH differing AS MATERIALIZED (
        SELECT d.* FROM latchkey.compare_hours(since, until, one_key) AS d
    ), written AS (
        INSERT INTO latchkey."UsageHour" ("keyId", hour, endpoint, "statusClass", calls,
            units, "latencyMs", "latencyBuckets", "latencyCounts")
        SELECT d.key_id, d.hour, d.endpoint, d.status_class, d.hour_calls, d.hour_units,
            d.hour_latency_ms, d.hour_buckets, d.hour_counts
        FROM differing AS d WHERE d.hour_buckets <> '{{}}'
        ON CONFLICT ("keyId", hour, endpoint, "statusClass") DO UPDATE SET
            calls = excluded.calls, units = excluded.units, "latencyMs" = excluded."latencyMs",
            "latencyBuckets" = excluded."latencyBuckets",
            "latencyCounts" = excluded."latencyCounts"
    ), removed AS (
        DELETE FROM latchkey."UsageHour" AS h USING differing AS d
        WHERE h."keyId" = d.key_id AND h.hour = d.hour AND h.endpoint = d.endpoint
            AND h."statusClass" = d.status_class AND d.hour_buckets = '{{}}'
    )
    SELECT d.* FROM differing AS d;
END
$$;
"""  # noqa: S608  # the columns above

PERIOD_DIFFERENCE = """
scope_id text, starts_at timestamp, log_calls bigint, log_units bigint,
counted_calls bigint, counted_units bigint, add_calls bigint, add_units bigint
"""

# Two seconds: a node's idea of the database's time, and of a key's period, is that near.
PERIODS = f"""
CREATE FUNCTION latchkey.compare_periods(
    scopes text[], since timestamp, until timestamp, by_hours boolean
) RETURNS TABLE ({PERIOD_DIFFERENCE}) LANGUAGE sql STABLE AS $$
    WITH key AS MATERIALIZED (
        SELECT k."userId" AS scope_id, k.id AS key_id, false AS is_trial
        FROM public."ApiKeyMetadata" AS k WHERE k."userId" = ANY (scopes)
        UNION ALL
        SELECT k."workspaceId", k.id, true
        FROM public."TrialApiKey" AS k WHERE k."workspaceId" = ANY (scopes)
    ), counted AS MATERIALIZED (
        SELECT p."scopeId" AS scope_id, p."startsAt" AS starts_at, sum(p.calls) AS calls,
            sum(p.units) AS units
        FROM latchkey."UsagePeriod" AS p WHERE p."scopeId" = ANY (scopes) GROUP BY 1, 2
    ), known AS (
        SELECT id AS scope_id, false AS is_trial FROM public."User" WHERE id = ANY (scopes)
        UNION ALL
        SELECT id, true FROM public."TrialWorkspace" WHERE id = ANY (scopes)
    ), gap AS (
        -- Where no period is known: before the first, and a month after each.
        SELECT known.scope_id, '-infinity'::timestamp AS since,
            (SELECT coalesce(min(c.starts_at), 'infinity') FROM counted AS c
             WHERE c.scope_id = known.scope_id) AS until
        FROM known WHERE NOT known.is_trial
        UNION ALL
        SELECT c.scope_id, c.starts_at + interval '1 month',
            lead(c.starts_at, 1, 'infinity') OVER (PARTITION BY c.scope_id ORDER BY c.starts_at)
        FROM counted AS c JOIN known USING (scope_id) WHERE NOT known.is_trial
    ), start AS (
        SELECT c.scope_id, c.starts_at FROM counted AS c
        UNION
        SELECT w.id, w."createdAt" FROM public."TrialWorkspace" AS w WHERE w.id = ANY (scopes)
        UNION
        SELECT gap.scope_id, latchkey.period_start(gap.scope_id, h.hour)
        FROM gap JOIN key USING (scope_id) JOIN latchkey."UsageHour" AS h
            ON h."keyId" = key.key_id AND h.hour >= gap.since AND h.hour < gap.until
        WHERE gap.since < gap.until
    ), span AS MATERIALIZED (
        SELECT start.scope_id, known.is_trial, start.starts_at,
            lag(start.starts_at) OVER periods AS previous,
            -- All calls of a trial are in its one period, whatever their time.
            CASE WHEN known.is_trial AND lag(start.starts_at) OVER periods IS NULL
                THEN '-infinity' ELSE start.starts_at END AS since,
            lead(start.starts_at, 1, 'infinity') OVER periods AS until
        FROM start JOIN known USING (scope_id)
        WINDOW periods AS (PARTITION BY start.scope_id ORDER BY start.starts_at)
    ), piece AS (
        -- By the hours: those that lie wholly within, and the log for the rest.
        SELECT span.*, CASE WHEN NOT by_hours THEN span.until
            WHEN date_trunc('hour', span.since) = span.since THEN span.since
            ELSE date_trunc('hour', span.since) + interval '1 hour' END AS full_since,
            CASE WHEN by_hours THEN date_trunc('hour', span.until) ELSE span.until END
            AS full_until
        FROM span
    ), pending AS MATERIALIZED (
        SELECT p.key_id, p.hour, sum(p.calls) AS calls, sum(p.units) AS units
        FROM latchkey.count_pending('-infinity', 'infinity', NULL) AS p
        WHERE by_hours GROUP BY 1, 2
    ), used AS (
        SELECT piece.scope_id, piece.starts_at, sum(found.calls) AS calls,
            sum(found.units) AS units
        FROM piece JOIN key USING (scope_id), LATERAL (
            SELECT count(*), sum(c.units) FROM public."ApiCall" AS c
            WHERE NOT key.is_trial AND c."apiKeyId" = key.key_id AND c."createdAt" >= piece.since
                AND c."createdAt" < least(piece.full_since, piece.until)
            UNION ALL
            SELECT count(*), sum(c.units) FROM public."ApiCall" AS c
            WHERE NOT key.is_trial AND c."apiKeyId" = key.key_id
                AND c."createdAt" >= greatest(piece.full_since, piece.full_until)
                AND c."createdAt" < piece.until
            UNION ALL
            SELECT count(*), sum(c.units) FROM latchkey."TrialApiCall" AS c
            WHERE key.is_trial AND c."apiKeyId" = key.key_id AND c."createdAt" >= piece.since
                AND c."createdAt" < least(piece.full_since, piece.until)
            UNION ALL
            SELECT sum(h.calls), sum(h.units) FROM latchkey."UsageHour" AS h
            WHERE h."keyId" = key.key_id AND h.hour >= piece.full_since
                AND h.hour < piece.full_until
            UNION ALL
            SELECT sum(p.calls), sum(p.units) FROM pending AS p
            WHERE p.key_id = key.key_id AND p.hour >= piece.full_since
                AND p.hour < piece.full_until
        ) AS found (calls, units)
        GROUP BY 1, 2
    ), numbered AS (
        SELECT span.*, count(*) FILTER (WHERE span.previous IS NULL OR (
            span.starts_at >= span.previous + interval '1 month' AND NOT EXISTS (
                SELECT FROM key JOIN public."ApiCall" AS c ON c."apiKeyId" = key.key_id
                WHERE key.scope_id = span.scope_id AND NOT key.is_trial
                    AND c."createdAt" >= span.starts_at - interval '2 seconds'
                    AND c."createdAt" < span.starts_at + interval '2 seconds'
            ))) OVER (PARTITION BY span.scope_id ORDER BY span.starts_at) AS together
        FROM span
    ), compared AS (
        SELECT n.scope_id, n.is_trial, n.starts_at, n.together,
            coalesce(u.calls, 0) AS log_calls, coalesce(u.units, 0) AS log_units,
            coalesce(c.calls, 0) AS calls, coalesce(c.units, 0) AS units,
            min(n.starts_at) OVER sum_of AS first_start, max(n.until) OVER sum_of AS last_end,
            sum(coalesce(u.calls, 0) - coalesce(c.calls, 0)) OVER sum_of AS lacking_calls,
            sum(coalesce(u.units, 0) - coalesce(c.units, 0)) OVER sum_of AS lacking_units
        FROM numbered AS n LEFT JOIN used AS u USING (scope_id, starts_at)
        LEFT JOIN counted AS c USING (scope_id, starts_at)
        WINDOW sum_of AS (PARTITION BY n.scope_id, n.together)
    ), judged AS (
        SELECT c.scope_id, c.starts_at, c.together, c.log_calls, c.log_units, c.calls, c.units,
            lost.least_calls, lost.least_units,
            greatest(c.lacking_calls, lost.least_calls) AS lacking_calls,
            greatest(c.lacking_units, lost.least_units) AS lacking_units,
            c.log_calls - c.calls AS own_calls, c.log_units - c.units AS own_units
        FROM compared AS c, LATERAL (
            -- What a deleted key used stays used: then the log may say less, never more.
            SELECT CASE WHEN is_any THEN 0 ELSE -'Infinity'::numeric END,
                CASE WHEN is_any THEN 0 ELSE -'Infinity'::numeric END
            FROM (SELECT EXISTS (
                SELECT FROM latchkey."DeletedKey" AS gone
                WHERE gone."scopeId" = c.scope_id AND gone."deletedAt" >= c.first_start
            )) AS gone (is_any)
        ) AS lost (least_calls, least_units)
        WHERE c.last_end > since AND c.first_start < until
            AND c.first_start >= CASE WHEN c.is_trial
                THEN latchkey.log_begins('latchkey."TrialApiCall"')
                ELSE latchkey.log_begins('public."ApiCall"') END
    ), shared AS (
        -- The sum's difference goes to the periods that differ most, and the same way.
        SELECT j.*, sign(j.lacking_calls) * greatest(j.own_calls * sign(j.lacking_calls), 0)
                AS may_calls,
            sign(j.lacking_units) * greatest(j.own_units * sign(j.lacking_units), 0) AS may_units
        FROM judged AS j WHERE j.lacking_calls <> 0 OR j.lacking_units <> 0
    ), placed AS (
        SELECT s.*,
            abs(s.lacking_calls) - coalesce(sum(abs(s.may_calls)) OVER (
                PARTITION BY s.scope_id, s.together ORDER BY abs(s.may_calls) DESC, s.starts_at
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS left_calls,
            abs(s.lacking_units) - coalesce(sum(abs(s.may_units)) OVER (
                PARTITION BY s.scope_id, s.together ORDER BY abs(s.may_units) DESC, s.starts_at
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS left_units
        FROM shared AS s
    )
    SELECT r.scope_id, r.starts_at, r.log_calls::bigint, r.log_units::bigint,
        r.calls::bigint, r.units::bigint, r.add_calls::bigint, r.add_units::bigint
    FROM (
        SELECT p.*,
            sign(p.lacking_calls) * least(abs(p.may_calls), greatest(p.left_calls, 0))
                AS add_calls,
            sign(p.lacking_units) * least(abs(p.may_units), greatest(p.left_units, 0))
                AS add_units
        FROM placed AS p
    ) AS r WHERE r.add_calls <> 0 OR r.add_units <> 0
$$;
COMMENT ON FUNCTION latchkey.compare_periods IS
    'Where UsagePeriod of these accounts and trials differs from the log, for periods within the '
    'range that the log still holds whole; `add_…` sets it right. `by_hours`: by UsageHour where '
    'an hour is whole, which is quick, and as right as the hours are.';

CREATE FUNCTION latchkey.repair_periods(scopes text[], since timestamp, until timestamp)
RETURNS TABLE ({PERIOD_DIFFERENCE}) LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    -- Two that repair at once would add the same difference twice.
    PERFORM pg_advisory_xact_lock(5248220261124);
    RETURN QUERY
    WITH differing AS MATERIALIZED (
        SELECT d.* FROM latchkey.compare_periods(scopes, since, until, false) AS d
    ), written AS (
        INSERT INTO latchkey."UsagePeriod" AS known ("scopeId", "startsAt", slot, units, calls)
        SELECT d.scope_id, d.starts_at, 0, d.add_units, d.add_calls
        FROM differing AS d ORDER BY 1, 2
        -- Added, not set: what is recorded meanwhile counts as well.
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units, calls = known.calls + excluded.calls
    )
    SELECT d.* FROM differing AS d;
END
$$;
"""  # noqa: S608  # the columns above

SWEEP = """
CREATE FUNCTION latchkey.sweep(
    swept regclass, id_column text, owners regclass[], after text, before text, most integer,
    OUT reached text, OUT deleted bigint
) LANGUAGE plpgsql AS $$
DECLARE
    ids text[];
    owner regclass;
BEGIN
    -- From one id to the next by the index, however many rows each of them has.
    EXECUTE format('WITH RECURSIVE step (id, place) AS (
            (SELECT %2$I, 1 FROM %1$s WHERE %2$I > $1 ORDER BY 1 LIMIT 1)
            UNION ALL
            SELECT (SELECT %2$I FROM %1$s WHERE %2$I > step.id ORDER BY 1 LIMIT 1), place + 1
            FROM step WHERE id IS NOT NULL AND place < $2
        ) SELECT array_agg(id), max(id) FROM step WHERE id < $3 OR $3 IS NULL AND id IS NOT NULL',
        swept, id_column) INTO ids, reached USING after, most, before;
    FOREACH owner IN ARRAY owners LOOP
        EXECUTE format('SELECT array_agg(id) FROM unnest($1) AS asked (id) WHERE NOT EXISTS '
            '(SELECT FROM %s AS kept WHERE kept.id = asked.id)', owner) INTO ids USING ids;
    END LOOP;
    EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY('
        'SELECT ctid FROM %1$s WHERE %2$I = ANY ($1) LIMIT $2))', swept, id_column)
        USING ids, most;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted = most THEN
        reached := after;  -- there may be more of the same
    END IF;
END
$$;
COMMENT ON FUNCTION latchkey.sweep IS
    'Delete rows whose id none of the owners has, at most so many, from after this id to before '
    'that (null: to the end); says where to go on, null at the end.';
"""


def upgrade() -> None:
    for part in (TABLES, RANGES, HOURS, PERIODS, SWEEP):
        # The driver itself: SQLAlchemy would take the colons for parameters.
        op.get_bind().connection.driver_connection.execute(part)


def downgrade() -> None:
    for table in ("ApiKeyMetadata", "TrialApiKey"):
        op.execute(f'DROP TRIGGER latchkey_keep ON public."{table}"')
    op.execute(
        "DROP FUNCTION latchkey.sweep, latchkey.repair_periods, latchkey.compare_periods, "
        "latchkey.repair_hours, latchkey.compare_hours, latchkey.count_pending, "
        "latchkey.count_calls, latchkey.next_usage_hour, latchkey.log_begins, "
        "latchkey.keep_deleted_key"
    )
    op.execute('DROP TABLE latchkey."KeyLeak", latchkey."DeletedKey"')
    op.execute('DROP INDEX latchkey."UsageHour_hour_keyId_idx"')
