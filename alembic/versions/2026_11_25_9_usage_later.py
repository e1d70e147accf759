"""Far from a limit, a call is counted into its period when its batch is folded.

`UsagePeriod`, upserted and read with every batch, was a quarter of PostgreSQL's work. Now a
batch says in its `UsageDelta` whose period a call belongs to, and `fold_usage` adds it there,
once a second for all; only calls that are `at_once` are counted in their own transaction, and
only their periods' totals come back. Whatever crashes: what `UsagePeriod` says and what
`UsageDelta` still holds are together what the log says. `period_used` is that sum.

`write_calls` looks for rows that are there already only where it is told that they may be.
`record_calls` stays for whoever counts all at once, and for the release before.
"""

from alembic import op

revision = "2026_11_25_9"
down_revision = "2026_11_25_8"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE latchkey."UsageDelta" ADD "scopeIds" text[], ADD "startsAt" timestamp(3)[];
ALTER TABLE latchkey."UsageDelta"
    ALTER "scopeIds" SET STORAGE EXTERNAL, ALTER "startsAt" SET STORAGE EXTERNAL;
"""

ROWS = """
    ids text[], trial boolean[], key_ids text[], owner_ids text[], endpoints text[],
    methods text[], statuses integer[], latencies integer[], units integer[], created bigint[],
    request_bodies jsonb[], response_bodies jsonb[],
"""


def _inserts(if_there: str) -> str:
    """Into both logs; `taken` grows by the rows that were written."""
    return "".join(
        f"""
    IF {is_trial} = ANY (trial) THEN
        INSERT INTO {log} (id, "apiKeyId", "ownerId", endpoint, method, "statusCode",
            "latencyMs", units, "createdAt", "requestBody", "responseBody")
        SELECT c.id, c.key_id, c.owner_id, c.endpoint, c.method, c.status, c.latency, c.units,
            timestamp 'epoch' + c.ms * interval '1 millisecond', c.request, c.response
        FROM unnest(ids, trial, key_ids, owner_ids, endpoints, methods, statuses, latencies, units,
            created, request_bodies, response_bodies) AS c (id, is_trial, key_id, owner_id,
            endpoint, method, status, latency, units, ms, request, response)
        WHERE c.is_trial = {is_trial}{if_there};
        GET DIAGNOSTICS written = ROW_COUNT;
        taken := taken + written;
    END IF;"""  # noqa: S608  # the names below
        for is_trial, log in (("false", 'public."ApiCall"'), ("true", 'latchkey."TrialApiCall"'))
    )


BEGIN = """
    database_ms := extract(epoch FROM clock_timestamp()) * 1000;
    -- For this transaction only: the counting is done here, and a lock is not waited for longer.
    PERFORM set_config('latchkey.is_recording', 'on', true);
    PERFORM set_config('lock_timeout', '2s', true);"""

AGAIN = f"""{_inserts(" ON CONFLICT (id) DO NOTHING")}
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
    END IF;"""  # noqa: S608  # the names above

RECORD_HEAD = f"""CREATE OR REPLACE FUNCTION latchkey.record_calls(
    node_slot smallint,{ROWS}
    scopes integer[], scope_ids text[], starts timestamp[],
    OUT database_ms bigint, OUT totals bigint[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
"""

RECORD_TAIL = """    totals := ARRAY(
        SELECT coalesce((SELECT sum(p.units)::bigint FROM latchkey."UsagePeriod" AS p
            WHERE p."scopeId" = s.id AND p."startsAt" = s.starts_at), 0)
        FROM unnest(scope_ids, starts) WITH ORDINALITY AS s (id, starts_at, position)
        ORDER BY position);
END
$$;
"""

RECORDING = f"""
CREATE FUNCTION latchkey.write_calls(
    is_again boolean, node_slot smallint,{ROWS}
    scope_ids text[], starts timestamp[], at_once boolean[],
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
    is_any_at_once boolean := true = ANY (at_once);
    later_scopes text[];
    later_starts timestamp[];
BEGIN{BEGIN}
    IF is_again THEN{AGAIN}
    ELSE{_inserts("")}
    END IF;
    IF taken > 0 THEN
        IF NOT is_any_at_once THEN
            later_scopes := scope_ids;
            later_starts := starts;
        ELSIF false = ANY (at_once) THEN
            later_scopes := ARRAY(SELECT CASE WHEN NOT c.is_at_once THEN c.scope_id END
                FROM unnest(scope_ids, at_once) WITH ORDINALITY
                    AS c (scope_id, is_at_once, position) ORDER BY position);
            later_starts := starts;
        END IF;
        INSERT INTO latchkey."UsageDelta" ("keyIds", "createdMs", endpoints, statuses, latencies,
            units, weights, "scopeIds", "startsAt")
        VALUES (key_ids, created, endpoints, statuses, latencies, units, weights, later_scopes,
            later_starts);
        IF is_any_at_once THEN
            INSERT INTO latchkey."UsagePeriod" AS known
                ("scopeId", "startsAt", slot, units, calls)
            SELECT c.scope_id, c.starts_at, node_slot,
                sum(c.units::bigint * coalesce(c.weight, 1)), sum(coalesce(c.weight, 1))
            FROM unnest(scope_ids, starts, at_once, units, weights)
                AS c (scope_id, starts_at, is_at_once, units, weight)
            WHERE c.is_at_once
            GROUP BY c.scope_id, c.starts_at ORDER BY c.scope_id COLLATE "C", c.starts_at
            ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
                units = known.units + excluded.units, calls = known.calls + excluded.calls;
        END IF;
    END IF;
    IF is_any_at_once THEN
        totals := ARRAY(
            SELECT coalesce((SELECT sum(p.units)::bigint FROM latchkey."UsagePeriod" AS p
                WHERE p."scopeId" = s.id AND p."startsAt" = s.starts_at), 0)
            FROM (
                SELECT c.id, c.starts_at FROM unnest(scope_ids, starts, at_once)
                    AS c (id, starts_at, is_at_once)
                WHERE c.is_at_once GROUP BY c.id, c.starts_at
            ) AS s ORDER BY s.id COLLATE "C", s.starts_at);
    END IF;
END
$$;
COMMENT ON FUNCTION latchkey.write_calls IS
    'Write calls and count them. `is_again`: some may be there already, and count once all the '
    'same; otherwise such a one refuses them all. `totals` are the units, on all nodes, of the '
    'periods of calls that count `at_once`, each once, by id and start; null if there is none.';

{RECORD_HEAD}BEGIN
    SELECT w.database_ms INTO database_ms
    FROM latchkey.write_calls(true, node_slot, ids, trial, key_ids, owner_ids, endpoints, methods,
        statuses, latencies, units, created, request_bodies, response_bodies,
        ARRAY(SELECT scope_ids[c.scope] FROM unnest(scopes) AS c (scope)),
        ARRAY(SELECT starts[c.scope] FROM unnest(scopes) AS c (scope)),
        array_fill(true, ARRAY[cardinality(ids)])) AS w;
    -- In another order than write_calls says them in.
{RECORD_TAIL}"""  # noqa: S608  # the names above

PENDING = """
CREATE FUNCTION latchkey.count_pending_periods(scopes text[])
RETURNS TABLE (scope_id text, starts_at timestamp, calls bigint, units bigint)
LANGUAGE sql STABLE PARALLEL SAFE
-- As fold_usage: a scan would read all that is dead and not yet vacuumed.
SET enable_seqscan = off
SET jit = off
AS $$
    SELECT one.scope_id, one.starts_at, sum(coalesce(one.weight, 1)),
        sum(one.units::bigint * coalesce(one.weight, 1))::bigint
    FROM latchkey."UsageDelta" AS delta, unnest(delta."scopeIds", delta."startsAt", delta.units,
        delta.weights) AS one (scope_id, starts_at, units, weight)
    WHERE delta.id > 0 AND delta."scopeIds" IS NOT NULL AND one.scope_id = ANY (scopes)
    GROUP BY 1, 2
$$;
COMMENT ON FUNCTION latchkey.count_pending_periods IS
    'What fold_usage has not yet added to UsagePeriod of these accounts and trials.';

CREATE FUNCTION latchkey.period_used(scope text, starts timestamp) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN latchkey.period_total(scope, starts) + coalesce((
    SELECT sum(p.units) FROM latchkey.count_pending_periods(ARRAY[scope]) AS p
    WHERE p.starts_at = starts), 0)::bigint;
COMMENT ON FUNCTION latchkey.period_used IS
    'All units of this period that are committed, also those that fold_usage has yet to add.';
"""

# Of functions that are long: what was, and what is instead.
CHANGES = (
    (
        "latchkey.fold_usage(boolean)",
        "        RETURN 0;\n",
        "        RETURN NULL;\n",
    ),
    (
        "latchkey.fold_usage(boolean)",
        "    ), touched AS (\n",
        """    ), period AS (
        -- In a slot of its own: nobody's transaction keeps this waiting, nor this theirs.
        INSERT INTO latchkey."UsagePeriod" AS known ("scopeId", "startsAt", slot, units, calls)
        SELECT one.scope_id, one.starts_at, -1, sum(one.units::bigint * coalesce(one.weight, 1)),
            sum(coalesce(one.weight, 1))
        FROM deltas, unnest("scopeIds", "startsAt", deltas.units, weights)
            AS one (scope_id, starts_at, units, weight)
        WHERE "scopeIds" IS NOT NULL AND one.scope_id IS NOT NULL
        GROUP BY one.scope_id, one.starts_at
        ON CONFLICT ("scopeId", "startsAt", slot) DO UPDATE SET
            units = known.units + excluded.units, calls = known.calls + excluded.calls
    ), touched AS (
""",
    ),
    (
        "latchkey.compare_periods(text[], timestamp, timestamp, boolean)",
        """        SELECT p."scopeId" AS scope_id, p."startsAt" AS starts_at, sum(p.calls) AS calls,
            sum(p.units) AS units
        FROM latchkey."UsagePeriod" AS p WHERE p."scopeId" = ANY (scopes) GROUP BY 1, 2
""",
        """        SELECT p.scope_id, p.starts_at, sum(p.calls) AS calls, sum(p.units) AS units
        FROM (
            SELECT known."scopeId", known."startsAt", known.calls, known.units
            FROM latchkey."UsagePeriod" AS known WHERE known."scopeId" = ANY (scopes)
            UNION ALL
            SELECT pending.* FROM latchkey.count_pending_periods(scopes) AS pending
        ) AS p (scope_id, starts_at, calls, units) GROUP BY 1, 2
""",
    ),
)

COMMENTS = """
COMMENT ON FUNCTION latchkey.fold_usage IS
    'Move what is in UsageDelta into UsageHour, and what is not counted yet into UsagePeriod. '
    'Patient: waits for another that does the same; otherwise it is null when there is one.';
"""

BEFORE = f"""
{RECORD_HEAD}DECLARE
    written integer;
    taken integer := 0;
    weights integer[];
BEGIN{BEGIN}{AGAIN}
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
{RECORD_TAIL}COMMENT ON FUNCTION latchkey.fold_usage IS
    'Move what is in UsageDelta into UsageHour. Patient: waits for another that does the same.';
"""  # noqa: S608  # the names above


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for part in (COLUMNS, PENDING, RECORDING, COMMENTS):
        _execute(part)
    for function, before, after in CHANGES:
        _change(function, before, after)


def downgrade() -> None:
    # First, and with the lock that it keeps: the former functions would forget what is pending.
    op.execute("SELECT latchkey.fold_usage()")
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('LOCK TABLE latchkey."UsageDelta" IN ACCESS EXCLUSIVE MODE')
    op.execute("SELECT latchkey.fold_usage()")
    for function, before, after in reversed(CHANGES):
        _change(function, after, before)
    _execute(BEFORE)
    op.execute(
        "DROP FUNCTION latchkey.write_calls, latchkey.period_used, latchkey.count_pending_periods"
    )
    op.execute('ALTER TABLE latchkey."UsageDelta" DROP "scopeIds", DROP "startsAt"')


def _change(function: str, before: str, after: str) -> None:
    """Put this text in place of that one, which must stand in the function once."""
    connection = op.get_bind().connection.driver_connection
    asked = "SELECT pg_get_functiondef(%s::regprocedure)"
    [definition] = connection.execute(asked, [function]).fetchone()
    if definition.count(before) != 1:
        raise RuntimeError(f"{function} is not as it was made: its text cannot be changed")
    connection.execute(definition.replace(before, after))


def _execute(statements: str) -> None:
    # The driver itself: SQLAlchemy would take the colons for parameters.
    op.get_bind().connection.driver_connection.execute(statements)
