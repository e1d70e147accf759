"""The meter's counters, and what recording, counting and caching need of the database.

`record_calls` writes a batch of calls and its counters in one statement, so that a batch is one
round trip and one transaction, and leaves nothing behind on a session that a pooler shares.

`UsagePeriod` counts with each batch, for quotas need it. It has a row for each `slot`: nodes
that count the same account at once then wait for no commit of each other; its sum is the total.

`UsageHour` is for reading, and upserting it with every batch doubled PostgreSQL's work when the
calls are of many keys. So a batch leaves one row in `UsageDelta`, in its own transaction, and
`fold_usage` moves what has gathered there into `UsageHour`. Call it before reading: then both
logs and the counters agree, whatever crashed in between.
"""

from alembic import op

revision = "2026_11_23_5"
down_revision = "2026_11_23_4"
branch_labels = None
depends_on = None

TABLES = """
-- Updated in place all the time: room on the page keeps an update from touching the index.
CREATE TABLE latchkey."UsagePeriod" (
    "scopeId" text NOT NULL,
    "startsAt" timestamp(3) NOT NULL,
    slot smallint NOT NULL,
    units bigint NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY ("scopeId", "startsAt", slot)
) WITH (fillfactor = 50);

CREATE TABLE latchkey."UsageHour" (
    "keyId" text NOT NULL,
    hour timestamp(3) NOT NULL,
    endpoint text NOT NULL,
    "statusClass" smallint NOT NULL,
    calls bigint NOT NULL,
    units bigint NOT NULL,
    "latencyMs" bigint NOT NULL,
    "latencyBuckets" smallint[] NOT NULL,
    "latencyCounts" bigint[] NOT NULL,
    PRIMARY KEY ("keyId", hour, endpoint, "statusClass")
) WITH (fillfactor = 70);

-- Emptied about each second: dead rows soon outnumber the others, whatever their share.
CREATE TABLE latchkey."UsageDelta" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "keyIds" text[] NOT NULL,
    "createdMs" bigint[] NOT NULL,
    endpoints text[] NOT NULL,
    statuses integer[] NOT NULL,
    latencies integer[] NOT NULL,
    units integer[] NOT NULL,
    weights integer[]
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1);
-- It lives for a second: compressing it would cost more than it saves.
ALTER TABLE latchkey."UsageDelta"
    ALTER "keyIds" SET STORAGE EXTERNAL, ALTER "createdMs" SET STORAGE EXTERNAL,
    ALTER endpoints SET STORAGE EXTERNAL, ALTER statuses SET STORAGE EXTERNAL,
    ALTER latencies SET STORAGE EXTERNAL, ALTER units SET STORAGE EXTERNAL,
    ALTER weights SET STORAGE EXTERNAL;

-- No foreign key: the calls' months are dropped whole, and a sweep follows.
CREATE TABLE latchkey."CallNote" (
    "callId" text COLLATE "C" PRIMARY KEY,
    times integer NOT NULL DEFAULT 1,
    aborted boolean NOT NULL DEFAULT false
);

ALTER TABLE latchkey."UserDetail" ADD "suspendedAt" timestamp(3);
"""

PERIODS = """
-- Both without a query in them, so that the planner can put them in place of their calls.
CREATE FUNCTION latchkey.calendar_months(anchor timestamp, at timestamp) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((extract(year FROM at) - extract(year FROM anchor)) * 12
    + extract(month FROM at) - extract(month FROM anchor))::integer;

CREATE FUNCTION latchkey.months_since(anchor timestamp, at timestamp) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN latchkey.calendar_months(anchor, at)
    - (anchor + make_interval(months => latchkey.calendar_months(anchor, at)) > at)::integer;
COMMENT ON FUNCTION latchkey.months_since IS
    'Whole months from the anchor to this moment: the greatest n with anchor + n months <= at.';

CREATE FUNCTION latchkey.period_anchor(user_id text, at timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN coalesce(
    (SELECT "currentPeriodStart" FROM public."Subscription"
     WHERE "userId" = user_id AND status IN ('active', 'trialing', 'past_due')),
    date_trunc('month', at)
);
COMMENT ON FUNCTION latchkey.period_anchor IS
    'Where an account''s months begin: its subscription''s period, or the first of the month.';

CREATE FUNCTION latchkey.period_start(user_id text, at timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN (
    SELECT anchor + make_interval(months => latchkey.months_since(anchor, at))
    FROM (SELECT latchkey.period_anchor(user_id, at)) AS account (anchor)
);
COMMENT ON FUNCTION latchkey.period_start IS
    'The UsagePeriod."startsAt" that an account''s call at this UTC moment belongs to.';
"""

# Bucket n holds latencies in (2^((n-1)/4), 2^(n/4)] ms; the last also all above, the first all
# from 0 to 1. The geometric middle of a bucket is within 2^(1/8) - 1 = 9.1 % of what is in it.
COUNTING = """
CREATE FUNCTION latchkey.latency_bucket(latency_ms integer) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN latency_ms <= 1 THEN 0
    ELSE least(ceil(4 * ln(latency_ms::float8) / ln(2::float8) - 1e-9), 79) END::smallint;
COMMENT ON FUNCTION latchkey.latency_bucket IS
    'The bucket, from 0, of a latency: n holds those up to 2^(n/4) ms; 79 is the last.';

CREATE FUNCTION latchkey.fold_usage(is_patient boolean DEFAULT true) RETURNS integer
LANGUAGE plpgsql
-- By the index: a scan would read all that is dead and not yet vacuumed. The planner prices
-- that high enough to compile the statement, which would take longer than running it.
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE folded integer;
BEGIN
    -- One at a time, so that no two wait for each other's hours crosswise.
    IF is_patient THEN
        PERFORM pg_advisory_xact_lock(5248220261124);
    ELSIF NOT pg_try_advisory_xact_lock(5248220261124) THEN
        RETURN 0;
    END IF;
    WITH deltas AS (
        DELETE FROM latchkey."UsageDelta" WHERE id > 0 RETURNING *
    ), call AS (
        SELECT one.key_id, one.endpoint, (one.status / 100)::smallint AS status_class,
            date_trunc('hour', timestamp 'epoch' + one.ms * interval '1 millisecond') AS hour,
            latchkey.latency_bucket(one.latency) AS bucket,
            one.latency::bigint * coalesce(one.weight, 1) AS latency,
            one.units::bigint * coalesce(one.weight, 1) AS units,
            coalesce(one.weight, 1) AS weight
        FROM deltas, unnest("keyIds", "createdMs", endpoints, statuses, latencies,
            deltas.units, weights) AS one (key_id, ms, endpoint, status, latency, units, weight)
    ), touched AS (
        SELECT DISTINCT key_id, hour, endpoint, status_class FROM call
    ), known AS (
        SELECT old.* FROM touched JOIN latchkey."UsageHour" AS old ON old."keyId" = key_id
            AND old.hour = touched.hour AND old.endpoint = touched.endpoint
            AND old."statusClass" = status_class
    ), by_bucket AS (
        SELECT key_id, hour, endpoint, status_class, bucket, sum(weight)::bigint AS calls,
            sum(units)::bigint AS units, sum(latency)::bigint AS latency
        FROM (
            SELECT key_id, hour, endpoint, status_class, bucket, weight, units, latency FROM call
            UNION ALL
            SELECT "keyId", hour, endpoint, "statusClass", old.bucket, old.calls,
                CASE position WHEN 1 THEN known.units ELSE 0 END,
                CASE position WHEN 1 THEN known."latencyMs" ELSE 0 END
            FROM known, unnest("latencyBuckets", "latencyCounts") WITH ORDINALITY
                AS old (bucket, calls, position)
        ) AS all_calls GROUP BY key_id, hour, endpoint, status_class, bucket
    )
    -- Whole, not added: nobody else writes here while we hold the lock.
    INSERT INTO latchkey."UsageHour" ("keyId", hour, endpoint, "statusClass", calls,
        units, "latencyMs", "latencyBuckets", "latencyCounts")
    SELECT key_id, hour, endpoint, status_class, sum(calls), sum(units), sum(latency),
        array_agg(bucket), array_agg(calls)
    FROM by_bucket GROUP BY key_id, hour, endpoint, status_class
    ON CONFLICT ("keyId", hour, endpoint, "statusClass") DO UPDATE SET
        calls = excluded.calls, units = excluded.units, "latencyMs" = excluded."latencyMs",
        "latencyBuckets" = excluded."latencyBuckets", "latencyCounts" = excluded."latencyCounts";
    GET DIAGNOSTICS folded = ROW_COUNT;
    RETURN folded;
END
$$;
COMMENT ON FUNCTION latchkey.fold_usage IS
    'Move what is in UsageDelta into UsageHour. Patient: waits for another that does the same.';

CREATE FUNCTION latchkey.count_foreign_calls() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may insert a call need not be allowed anything in our schema.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME LIKE 'Trial%' THEN
        INSERT INTO latchkey."UsagePeriod" AS known
        SELECT key."workspaceId", workspace."createdAt", 0, sum(units), count(*)
        FROM new_calls JOIN public."TrialApiKey" AS key ON key.id = "apiKeyId"
        JOIN public."TrialWorkspace" AS workspace ON workspace.id = key."workspaceId"
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units, calls = known.calls + excluded.calls;
    ELSE
        INSERT INTO latchkey."UsagePeriod" AS known
        SELECT key."userId", latchkey.period_start(key."userId", new_calls."createdAt"), 0,
            sum(units), count(*)
        FROM new_calls JOIN public."ApiKeyMetadata" AS key ON key.id = "apiKeyId"
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units, calls = known.calls + excluded.calls;
    END IF;
    INSERT INTO latchkey."UsageDelta"
        ("keyIds", "createdMs", endpoints, statuses, latencies, units)
    SELECT array_agg("apiKeyId"), array_agg((extract(epoch FROM "createdAt") * 1000)::bigint),
        array_agg(endpoint), array_agg("statusCode"), array_agg("latencyMs"), array_agg(units)
    FROM new_calls HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER latchkey_count AFTER INSERT ON public."ApiCall"
REFERENCING NEW TABLE AS new_calls FOR EACH STATEMENT
WHEN (current_setting('latchkey.is_recording', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION latchkey.count_foreign_calls();
CREATE TRIGGER latchkey_count AFTER INSERT ON latchkey."TrialApiCall"
REFERENCING NEW TABLE AS new_calls FOR EACH STATEMENT
WHEN (current_setting('latchkey.is_recording', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION latchkey.count_foreign_calls();
"""

RECORDING = """
CREATE FUNCTION latchkey.record_calls(
    node_slot smallint,
    ids text[], trial boolean[], key_ids text[], owner_ids text[], endpoints text[],
    methods text[], statuses integer[], latencies integer[], units integer[], created bigint[],
    request_bodies jsonb[], response_bodies jsonb[],
    scopes integer[], scope_ids text[], starts timestamp[],
    OUT database_ms bigint, OUT totals bigint[]
) LANGUAGE plpgsql
-- Planning anew for each batch's arrays cost an eighth to a fifth of the whole.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
    written integer;
    taken integer := 0;
    weights integer[];
BEGIN
    database_ms := extract(epoch FROM clock_timestamp()) * 1000;
    -- For this transaction only: the counting is done here, and a lock is not waited for longer.
    PERFORM set_config('latchkey.is_recording', 'on', true);
    PERFORM set_config('lock_timeout', '2s', true);
    IF false = ANY (trial) THEN
        INSERT INTO public."ApiCall" (id, "apiKeyId", "ownerId", endpoint, method, "statusCode",
            "latencyMs", units, "createdAt", "requestBody", "responseBody")
        SELECT c.id, c.key_id, c.owner_id, c.endpoint, c.method, c.status, c.latency, c.units,
            timestamp 'epoch' + c.ms * interval '1 millisecond', c.request, c.response
        FROM unnest(ids, trial, key_ids, owner_ids, endpoints, methods, statuses, latencies, units,
            created, request_bodies, response_bodies) AS c (id, is_trial, key_id, owner_id,
            endpoint, method, status, latency, units, ms, request, response)
        WHERE NOT c.is_trial
        ON CONFLICT (id) DO NOTHING;
        GET DIAGNOSTICS taken = ROW_COUNT;
    END IF;
    IF true = ANY (trial) THEN
        INSERT INTO latchkey."TrialApiCall" (id, "apiKeyId", "ownerId", endpoint, method,
            "statusCode", "latencyMs", units, "createdAt", "requestBody", "responseBody")
        SELECT c.id, c.key_id, c.owner_id, c.endpoint, c.method, c.status, c.latency, c.units,
            timestamp 'epoch' + c.ms * interval '1 millisecond', c.request, c.response
        FROM unnest(ids, trial, key_ids, owner_ids, endpoints, methods, statuses, latencies, units,
            created, request_bodies, response_bodies) AS c (id, is_trial, key_id, owner_id,
            endpoint, method, status, latency, units, ms, request, response)
        WHERE c.is_trial
        ON CONFLICT (id) DO NOTHING;
        GET DIAGNOSTICS written = ROW_COUNT;
        taken := taken + written;
    END IF;
    IF taken < cardinality(ids) THEN
        -- Sent before, and the answer was lost: only rows of this very transaction count, and
        -- of an id that comes twice the first.
        weights := ARRAY(
            SELECT CASE WHEN row_number() OVER (PARTITION BY c.id ORDER BY position) > 1 THEN 0
                ELSE (EXISTS (SELECT FROM public."ApiCall" AS a
                    WHERE a.id = c.id AND a.xmin = pg_current_xact_id()::xid)
                OR EXISTS (SELECT FROM latchkey."TrialApiCall" AS a
                    WHERE a.id = c.id AND a.xmin = pg_current_xact_id()::xid))::integer END
            FROM unnest(ids) WITH ORDINALITY AS c (id, position) ORDER BY position);
    END IF;
    IF taken > 0 THEN
        INSERT INTO latchkey."UsageDelta"
            ("keyIds", "createdMs", endpoints, statuses, latencies, units, weights)
        VALUES (key_ids, created, endpoints, statuses, latencies, units, weights);
        INSERT INTO latchkey."UsagePeriod" AS known ("scopeId", "startsAt", slot, units, calls)
        SELECT scope_ids[c.scope], starts[c.scope], node_slot,
            sum(c.units::bigint * coalesce(c.weight, 1)), sum(coalesce(c.weight, 1))
        FROM unnest(scopes, units, weights) AS c (scope, units, weight)
        GROUP BY c.scope ORDER BY c.scope
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units, calls = known.calls + excluded.calls;
    END IF;
    totals := ARRAY(
        SELECT coalesce((SELECT sum(p.units)::bigint FROM latchkey."UsagePeriod" AS p
            WHERE p."scopeId" = s.id AND p."startsAt" = s.starts_at), 0)
        FROM unnest(scope_ids, starts) WITH ORDINALITY AS s (id, starts_at, position)
        ORDER BY position);
END
$$;
COMMENT ON FUNCTION latchkey.record_calls IS
    'Write calls and count them, each id once however often it is sent. `scopes` are positions '
    'from 1 in `scope_ids` and `starts`; `totals` are those periods'' units on all nodes.';

CREATE FUNCTION latchkey.settle_calls(
    ids text[], trial boolean[], latencies integer[], aborted boolean[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    -- Counting follows the log: what was counted first is taken back.
    WITH given AS (
        SELECT * FROM unnest(ids, trial, latencies) AS g (id, is_trial, latency)
    ), known AS (
        SELECT c.id, c."apiKeyId", c.endpoint, c."statusCode", c.units, c."createdAt",
            c."latencyMs", g.latency FROM given AS g JOIN public."ApiCall" AS c USING (id)
        WHERE NOT g.is_trial
        UNION ALL
        SELECT c.id, c."apiKeyId", c.endpoint, c."statusCode", c.units, c."createdAt",
            c."latencyMs", g.latency FROM given AS g JOIN latchkey."TrialApiCall" AS c USING (id)
        WHERE g.is_trial
    ), changed AS (
        SELECT known.*, old.latency AS counted, old.weight FROM known,
            LATERAL (VALUES (known."latencyMs", -1), (known.latency, 1)) AS old (latency, weight)
        WHERE known."latencyMs" <> known.latency
    )
    INSERT INTO latchkey."UsageDelta"
        ("keyIds", "createdMs", endpoints, statuses, latencies, units, weights)
    SELECT array_agg("apiKeyId"), array_agg((extract(epoch FROM "createdAt") * 1000)::bigint),
        array_agg(endpoint), array_agg("statusCode"), array_agg(counted),
        array_agg(changed.units), array_agg(weight)
    FROM changed HAVING count(*) > 0;
    UPDATE public."ApiCall" AS c SET "latencyMs" = g.latency
    FROM unnest(ids, trial, latencies) AS g (id, is_trial, latency)
    WHERE c.id = g.id AND NOT g.is_trial AND c."latencyMs" <> g.latency;
    UPDATE latchkey."TrialApiCall" AS c SET "latencyMs" = g.latency
    FROM unnest(ids, trial, latencies) AS g (id, is_trial, latency)
    WHERE c.id = g.id AND g.is_trial AND c."latencyMs" <> g.latency;
    INSERT INTO latchkey."CallNote" AS known ("callId", aborted)
    SELECT g.id, true FROM unnest(ids, aborted) AS g (id, is_aborted)
    WHERE g.is_aborted ORDER BY g.id
    ON CONFLICT ("callId") DO UPDATE SET aborted = true;
END
$$;
COMMENT ON FUNCTION latchkey.settle_calls IS
    'The final latency of streamed answers, in the log and the counters; bears being repeated.';

CREATE FUNCTION latchkey.repeat_calls(ids text[], times integer[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO latchkey."CallNote" AS known ("callId", times)
    SELECT g.id, g.times FROM unnest($1, $2) AS g (id, times) ORDER BY g.id
    ON CONFLICT ("callId") DO UPDATE SET times = greatest(known.times, excluded.times);
END;
COMMENT ON FUNCTION latchkey.repeat_calls IS
    'These rows each stand for so many refusals by now; bears being repeated.';
"""

NOTIFYING = """
CREATE FUNCTION latchkey.notify_authority() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    kind text := TG_ARGV[0];
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    PERFORM pg_notify('latchkey_authority', kind || ':' || value)
    FROM (SELECT before ->> TG_ARGV[1] UNION SELECT after ->> TG_ARGV[1]) AS changed (value)
    WHERE value IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION latchkey.notify_authority IS
    'Tell every node that what a key may do has changed: digest:…, key:… or scope:….';

CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "keyHash", "userId", status, tier, "revokedAt"
ON public."ApiKeyMetadata" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('digest', 'keyHash');
CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "keyHash", "workspaceId", status, "revokedAt"
ON public."TrialApiKey" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('digest', 'keyHash');
CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "expiresAt", "allowedIps", "graceEndsAt"
ON latchkey."ApiKeyDetail" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('key', 'keyId');
CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "expiresAt", "allowedIps"
ON latchkey."TrialApiKeyDetail" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('key', 'keyId');
CREATE TRIGGER latchkey_notify
AFTER UPDATE OF tier, status, "expiresAt", "ownerId" ON public."TrialWorkspace" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('scope', 'id');
CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "userId", status, "currentPeriodStart", "currentPeriodEnd"
ON public."Subscription" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('scope', 'userId');
CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "suspendedAt" ON latchkey."UserDetail" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('scope', 'userId');
"""


def upgrade() -> None:
    for part in (TABLES, PERIODS, COUNTING, RECORDING, NOTIFYING):
        # The driver itself: SQLAlchemy would take the colons for parameters.
        op.get_bind().connection.driver_connection.execute(part)


def downgrade() -> None:
    for table in ("ApiKeyMetadata", "TrialApiKey", "TrialWorkspace", "Subscription"):
        op.execute(f'DROP TRIGGER latchkey_notify ON public."{table}"')
    for table in ("ApiKeyDetail", "TrialApiKeyDetail", "UserDetail"):
        op.execute(f'DROP TRIGGER latchkey_notify ON latchkey."{table}"')
    op.execute('DROP TRIGGER latchkey_count ON public."ApiCall"')
    op.execute('DROP TRIGGER latchkey_count ON latchkey."TrialApiCall"')
    op.execute(
        "DROP FUNCTION latchkey.notify_authority, latchkey.repeat_calls, latchkey.settle_calls, "
        "latchkey.record_calls, latchkey.count_foreign_calls, latchkey.fold_usage, "
        "latchkey.latency_bucket, latchkey.period_start, "
        "latchkey.period_anchor, latchkey.months_since, latchkey.calendar_months"
    )
    op.execute('ALTER TABLE latchkey."UserDetail" DROP "suspendedAt"')
    op.execute(
        'DROP TABLE latchkey."CallNote", latchkey."UsageDelta", latchkey."UsageHour", '
        'latchkey."UsagePeriod"'
    )
