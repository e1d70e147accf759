"""What services elsewhere need: their calls completed, recorded and named.

`complete_calls` and `record_finished` change the log and its counters in one transaction, bear
being sent again, and say of each call what became of it. Both count in the period that the
call's time falls into.
"""

from alembic import op

revision = "2026_11_25_3"
down_revision = "2026_11_25_2"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE latchkey."CallNote" ADD completed boolean NOT NULL DEFAULT false;

CREATE TABLE latchkey."EndpointName" (
    name text PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
"""

NAMES = """
CREATE FUNCTION latchkey.name_endpoints(names text[], most integer) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    -- One at a time, so that nodes together keep to the number.
    PERFORM pg_advisory_xact_lock(5248220261125);
    INSERT INTO latchkey."EndpointName" (name)
    SELECT new.name FROM unnest(names) WITH ORDINALITY AS new (name, position)
    WHERE NOT EXISTS (SELECT FROM latchkey."EndpointName" AS known WHERE known.name = new.name)
    ORDER BY position
    LIMIT greatest(0, most - (SELECT count(*) FROM latchkey."EndpointName"));
    RETURN QUERY SELECT known.name FROM latchkey."EndpointName" AS known;
END
$$;
COMMENT ON FUNCTION latchkey.name_endpoints IS
    'Keep these names, each given once, as long as there are no more than `most`; says all.';
"""

PLACES = """
CREATE FUNCTION latchkey.period_of_call(key_id text, is_trial boolean, at timestamp,
    OUT scope_id text, OUT starts timestamp)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT "userId", latchkey.period_start("userId", $3) FROM public."ApiKeyMetadata"
    WHERE id = $1 AND NOT $2
    UNION ALL
    SELECT workspace.id, workspace."createdAt" FROM public."TrialApiKey" AS key
    JOIN public."TrialWorkspace" AS workspace ON workspace.id = key."workspaceId"
    WHERE key.id = $1 AND $2;
END;
COMMENT ON FUNCTION latchkey.period_of_call IS
    'The UsagePeriod that a call of this key at this UTC moment belongs to.';

CREATE FUNCTION latchkey.period_total(scope text, starts timestamp) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce((SELECT sum(units) FROM latchkey."UsagePeriod"
    WHERE "scopeId" = scope AND "startsAt" = starts), 0)::bigint;
"""

KEYS = """
CREATE FUNCTION latchkey.find_key(wanted_id text, wanted_hash text)
RETURNS TABLE (id text, is_trial boolean, owner_id text) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT id, is_trial, owner_id FROM (
        SELECT live.id, false AS is_trial, live."userId" AS owner_id
        FROM public."ApiKeyMetadata" AS live WHERE live.id = $1
        UNION ALL
        SELECT live.id, false, live."userId"
        FROM public."ApiKeyMetadata" AS live WHERE live."keyHash" = $2
        UNION ALL
        SELECT trial.id, true, workspace."ownerId" FROM public."TrialApiKey" AS trial
        JOIN public."TrialWorkspace" AS workspace ON workspace.id = trial."workspaceId"
        WHERE trial.id = $1
        UNION ALL
        SELECT trial.id, true, workspace."ownerId" FROM public."TrialApiKey" AS trial
        JOIN public."TrialWorkspace" AS workspace ON workspace.id = trial."workspaceId"
        WHERE trial."keyHash" = $2
    ) AS found ORDER BY is_trial LIMIT 1;
END;
COMMENT ON FUNCTION latchkey.find_key IS
    'The key with this id or this digest; a live one goes before a trial one.';

CREATE FUNCTION latchkey.is_key(known_id text, is_trial boolean, key_id text, key_hash text)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(key_id = known_id, true) AND (key_hash IS NULL OR CASE WHEN is_trial
    THEN EXISTS (SELECT FROM public."TrialApiKey" WHERE id = known_id AND "keyHash" = key_hash)
    ELSE EXISTS (SELECT FROM public."ApiKeyMetadata" WHERE id = known_id AND "keyHash" = key_hash)
    END);
COMMENT ON FUNCTION latchkey.is_key IS
    'Whether this key is the one that was named, by id, by digest, by both, or not at all.';
"""

COMPLETING = """
CREATE FUNCTION latchkey.complete_calls(
    node_slot smallint, ids text[], key_ids text[], key_hashes text[], statuses integer[],
    latencies integer[], request_bodies jsonb[], response_bodies jsonb[]
) RETURNS TABLE (outcome text, scope_id text, starts text, total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    live text[];
    trials text[];
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    -- From here on nobody else completes them; by id, so that no two wait crosswise.
    live := ARRAY(SELECT id FROM public."ApiCall"
        WHERE id = ANY (ids) AND "statusCode" = 0 ORDER BY id FOR UPDATE);
    trials := ARRAY(SELECT id FROM latchkey."TrialApiCall"
        WHERE id = ANY (ids) AND "statusCode" = 0 ORDER BY id FOR UPDATE);
    WITH standing AS (
        SELECT id, "apiKeyId" AS key_id, false AS is_trial, endpoint, "latencyMs" AS latency,
            units, "createdAt" AS at
        FROM public."ApiCall" WHERE id = ANY (live)
        UNION ALL
        SELECT id, "apiKeyId", true, endpoint, "latencyMs", units, "createdAt"
        FROM latchkey."TrialApiCall" WHERE id = ANY (trials)
    ), done AS (
        -- Of a call that comes twice the first.
        SELECT DISTINCT ON (standing.id) standing.*, g.status, g.latency AS new_latency,
            g.request, g.response,
            CASE WHEN g.status < 400 THEN standing.units ELSE 0 END AS new_units
        FROM unnest(ids, key_ids, key_hashes, statuses, latencies, request_bodies,
            response_bodies) WITH ORDINALITY AS g
            (id, key_id, key_hash, status, latency, request, response, position)
        JOIN standing USING (id)
        WHERE latchkey.is_key(standing.key_id, standing.is_trial, g.key_id, g.key_hash)
        ORDER BY standing.id, position
    ), counted AS (
        -- Counting follows the log: what was counted first is taken back.
        INSERT INTO latchkey."UsageDelta"
            ("keyIds", "createdMs", endpoints, statuses, latencies, units, weights)
        SELECT array_agg(key_id), array_agg((extract(epoch FROM at) * 1000)::bigint),
            array_agg(endpoint), array_agg(change.status), array_agg(change.latency),
            array_agg(change.units), array_agg(weight)
        FROM done, LATERAL (VALUES (0, done.latency, done.units, -1),
            (done.status, done.new_latency, done.new_units, 1))
            AS change (status, latency, units, weight)
        HAVING count(*) > 0
    ), given_back AS (
        INSERT INTO latchkey."UsagePeriod" AS known ("scopeId", "startsAt", slot, units, calls)
        SELECT period.scope_id, period.starts, node_slot, sum(new_units - units), 0
        FROM done, latchkey.period_of_call(key_id, is_trial, at) AS period
        WHERE new_units <> units AND period.scope_id IS NOT NULL
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units
    ), marked AS (
        INSERT INTO latchkey."CallNote" AS known ("callId", completed)
        SELECT id, true FROM done ORDER BY id
        ON CONFLICT ("callId") DO UPDATE SET completed = true
    ), live_written AS (
        UPDATE public."ApiCall" AS c SET "statusCode" = done.status, units = new_units,
            "latencyMs" = new_latency, "requestBody" = done.request, "responseBody" = done.response
        FROM done WHERE c.id = ANY (live) AND c.id = done.id AND NOT done.is_trial
    )
    UPDATE latchkey."TrialApiCall" AS c SET "statusCode" = done.status, units = new_units,
        "latencyMs" = new_latency, "requestBody" = done.request, "responseBody" = done.response
    FROM done WHERE c.id = ANY (trials) AND c.id = done.id AND done.is_trial;
    RETURN QUERY
        WITH known AS (
            SELECT id, "apiKeyId" AS key_id, false AS is_trial, "createdAt" AS at
            FROM public."ApiCall" WHERE id = ANY (ids)
            UNION ALL
            SELECT id, "apiKeyId", true, "createdAt"
            FROM latchkey."TrialApiCall" WHERE id = ANY (ids)
        )
        SELECT CASE WHEN note.completed THEN 'recorded' ELSE 'unknown_call' END,
            period.scope_id, to_char(period.starts, 'YYYY-MM-DD"T"HH24:MI:SS.MS'),
            latchkey.period_total(period.scope_id, period.starts)
        FROM unnest(ids, key_ids, key_hashes) WITH ORDINALITY
            AS g (id, key_id, key_hash, position)
        LEFT JOIN known ON known.id = g.id
            AND latchkey.is_key(known.key_id, known.is_trial, g.key_id, g.key_hash)
        LEFT JOIN latchkey."CallNote" AS note ON note."callId" = known.id
        LEFT JOIN LATERAL latchkey.period_of_call(known.key_id, known.is_trial, known.at)
            AS period ON true
        ORDER BY position;
END
$$;
COMMENT ON FUNCTION latchkey.complete_calls IS
    'Final status, latency and bodies of calls that stand at 0; from 400 on their units are given '
    'back. Says of each, in order, recorded or unknown_call, and the total of its period now.';
"""

RECORDING = """
CREATE FUNCTION latchkey.record_finished(
    node_slot smallint, ids text[], key_ids text[], key_hashes text[], endpoints text[],
    methods text[], statuses integer[], latencies integer[], units integer[], created bigint[],
    request_bodies jsonb[], response_bodies jsonb[]
) RETURNS TABLE (outcome text, scope_id text, starts text, total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
    oldest_ms bigint := now_ms - 7 * 24 * 3600 * 1000;
    newest_ms bigint := now_ms + 60 * 1000;
BEGIN
    PERFORM written.totals FROM (
        WITH given AS (
            -- Of a call that comes twice the first.
            SELECT DISTINCT ON (g.id) g.*, key.id AS found_id, key.is_trial, key.owner_id,
                period.scope_id, period.starts
            FROM unnest(ids, key_ids, key_hashes, endpoints, methods, statuses, latencies,
                units, created, request_bodies, response_bodies) WITH ORDINALITY AS g (id, key_id,
                key_hash, endpoint, method, status, latency, units, ms, request, response, position)
            CROSS JOIN LATERAL latchkey.find_key(g.key_id, g.key_hash) AS key
            CROSS JOIN LATERAL latchkey.period_of_call(key.id, key.is_trial,
                timestamp 'epoch' + g.ms * interval '1 millisecond') AS period
            WHERE g.ms BETWEEN oldest_ms AND newest_ms
            ORDER BY g.id, g.position
        ), fresh AS (
            SELECT given.*, dense_rank() OVER (ORDER BY scope_id, starts) AS scope FROM given
            -- In the key's own log record_calls looks; an id is one call in both together.
            WHERE CASE WHEN is_trial
                THEN NOT EXISTS (SELECT FROM public."ApiCall" AS c WHERE c.id = given.id)
                ELSE NOT EXISTS (SELECT FROM latchkey."TrialApiCall" AS c WHERE c.id = given.id)
            END
        ), periods AS (
            SELECT array_agg(scope_id ORDER BY scope) AS scope_ids,
                array_agg(starts ORDER BY scope) AS starts
            FROM (SELECT DISTINCT scope, scope_id, starts FROM fresh) AS each
        ), calls AS (
            -- By key, as every batch: so that no two wait for each other's crosswise.
            SELECT array_agg(fresh.id ORDER BY found_id, id) AS ids,
                array_agg(is_trial ORDER BY found_id, id) AS trial,
                array_agg(found_id ORDER BY found_id, id) AS key_ids,
                array_agg(owner_id ORDER BY found_id, id) AS owner_ids,
                array_agg(endpoint ORDER BY found_id, id) AS endpoints,
                array_agg(method ORDER BY found_id, id) AS methods,
                array_agg(status ORDER BY found_id, id) AS statuses,
                array_agg(latency ORDER BY found_id, id) AS latencies,
                array_agg(fresh.units ORDER BY found_id, id) AS units,
                array_agg(ms ORDER BY found_id, id) AS created,
                array_agg(request ORDER BY found_id, id) AS requests,
                array_agg(response ORDER BY found_id, id) AS responses,
                array_agg(scope::integer ORDER BY found_id, id) AS scopes
            FROM fresh HAVING count(*) > 0
        )
        SELECT (latchkey.record_calls(node_slot, c.ids, c.trial, c.key_ids, c.owner_ids,
            c.endpoints, c.methods, c.statuses, c.latencies, c.units, c.created, c.requests,
            c.responses, c.scopes, periods.scope_ids, periods.starts)).totals
        FROM calls AS c, periods
    ) AS written;
    RETURN QUERY
        SELECT CASE
                WHEN written.id IS NOT NULL THEN 'recorded'
                WHEN key.id IS NULL THEN 'invalid_key'
                WHEN taken THEN 'id_conflict'
                ELSE 'wrong_time'
            END,
            period.scope_id, to_char(period.starts, 'YYYY-MM-DD"T"HH24:MI:SS.MS'),
            latchkey.period_total(period.scope_id, period.starts)
        FROM unnest(ids, key_ids, key_hashes, created) WITH ORDINALITY
            AS g (id, key_id, key_hash, ms, position)
        LEFT JOIN LATERAL latchkey.find_key(g.key_id, g.key_hash) AS key ON true
        LEFT JOIN LATERAL latchkey.period_of_call(key.id, key.is_trial,
            timestamp 'epoch' + g.ms * interval '1 millisecond') AS period ON true
        LEFT JOIN LATERAL (
            SELECT c.id, c."apiKeyId" AS key_id, false AS is_trial FROM public."ApiCall" AS c
            WHERE c.id = g.id
            UNION ALL
            SELECT c.id, c."apiKeyId", true FROM latchkey."TrialApiCall" AS c WHERE c.id = g.id
        ) AS written ON written.key_id = key.id AND written.is_trial = key.is_trial,
        LATERAL (SELECT EXISTS (SELECT FROM public."ApiCall" AS c WHERE c.id = g.id)
            OR EXISTS (SELECT FROM latchkey."TrialApiCall" AS c WHERE c.id = g.id)) AS other (taken)
        ORDER BY position;
END
$$;
COMMENT ON FUNCTION latchkey.record_finished IS
    'Write and count calls that were answered elsewhere, each id once, at the time that it came '
    'with. Says of each, in order, recorded, invalid_key, id_conflict (the id is another key''s '
    'call) or wrong_time (over 7 days old, or a minute ahead), and its period''s total now.';
"""


def upgrade() -> None:
    for part in (TABLES, NAMES, PLACES, KEYS, COMPLETING, RECORDING):
        # The driver itself: SQLAlchemy would take the colons for parameters.
        op.get_bind().connection.driver_connection.execute(part)


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION latchkey.record_finished, latchkey.complete_calls, latchkey.is_key, "
        "latchkey.find_key, latchkey.period_total, latchkey.period_of_call, "
        "latchkey.name_endpoints"
    )
    op.execute('DROP TABLE latchkey."EndpointName"')
    op.execute('ALTER TABLE latchkey."CallNote" DROP completed')
