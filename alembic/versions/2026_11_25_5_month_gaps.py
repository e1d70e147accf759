"""Making months mends every gap in a log of calls, not only the end of the months.

Before, months were counted on from the last one. A month that somebody had detached or dropped,
or a lost `…_after`, then stayed a gap: every call in it was refused. Now the months from the
present one on are looked for by name. A table that only was detached is attached again, with
what it holds.
"""

from alembic import op

revision = "2026_11_25_5"
down_revision = "2026_11_25_4"
branch_labels = None
depends_on = None

MENDING = """
CREATE FUNCTION latchkey.has_call_part(log regclass, part text) RETURNS boolean
LANGUAGE sql STABLE STRICT
RETURN EXISTS (
    SELECT FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS known ON known.oid = inhrelid
    WHERE inhparent = log
        AND known.relname = (SELECT relname FROM pg_catalog.pg_class WHERE oid = log) || part
);
COMMENT ON FUNCTION latchkey.has_call_part IS
    'Whether the partition of this name''s end, such as _2026_11, belongs to the log.';

CREATE FUNCTION latchkey.missing_call_months(log regclass, last_month timestamp)
RETURNS SETOF timestamp LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
    SELECT month FROM generate_series(
        least(date_trunc('month', now() AT TIME ZONE 'UTC'),
            latchkey.last_call_month(log) + interval '1 month'),
        greatest(last_month, latchkey.last_call_month(log)),
        interval '1 month'
    ) AS month
    WHERE NOT latchkey.has_call_part(log, to_char(month, '_YYYY_MM')) ORDER BY month;
END;
COMMENT ON FUNCTION latchkey.missing_call_months IS
    'The months without a partition, from the present or the last one on; older ones may be gone.';

CREATE OR REPLACE FUNCTION latchkey.make_months_of(log regclass, last_month timestamp)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_catalog.pg_class WHERE oid = log);
    rest text := format('latchkey.%I', name || '_after');
    months timestamp[];
    month timestamp;
BEGIN
    IF latchkey.has_call_part(log, '_after')
        AND NOT EXISTS (SELECT FROM latchkey.missing_call_months(log, last_month))
    THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', log);
    -- Again, now that nobody else can be making them.
    months := ARRAY(SELECT latchkey.missing_call_months(log, last_month));
    IF latchkey.has_call_part(log, '_after') THEN
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', log, rest);
    END IF;
    FOREACH month IN ARRAY months LOOP
        PERFORM latchkey.make_call_part(log, to_char(month, '_YYYY_MM'),
            latchkey.first_call_id(month), latchkey.first_call_id(month + interval '1 month'));
    END LOOP;
    month := latchkey.last_call_month(log) + interval '1 month';
    PERFORM latchkey.make_call_part(log, '_after', latchkey.first_call_id(month), '1');
    RETURN cardinality(months);
END
$$;

CREATE FUNCTION latchkey.make_call_part(log regclass, part text, low text, high text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_catalog.pg_class WHERE oid = log);
    own text := format('latchkey.%I', name || part);
    rest text := format('latchkey.%I', name || '_after');
    range text := format('FOR VALUES FROM (%L) TO (%L)', low, high);
BEGIN
    IF to_regclass(own) IS NULL THEN
        EXECUTE format('CREATE TABLE %s PARTITION OF %s %s', own, log, range);
    ELSE
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s %s', log, own, range);
    END IF;
    IF part <> '_after' AND to_regclass(rest) IS NOT NULL THEN
        -- Straight into the partition: these rows are not new, no trigger on the log may think so.
        EXECUTE format('WITH moved AS (DELETE FROM %s WHERE id >= %L AND id < %L RETURNING *) '
            'INSERT INTO %s SELECT * FROM moved', rest, low, high, own);
    END IF;
END
$$;
COMMENT ON FUNCTION latchkey.make_call_part IS
    'Make this partition of the log, or attach the table that is there; and move what belongs '
    'into it from the range after the months, which must be detached.';
"""

BEFORE = """
CREATE OR REPLACE FUNCTION latchkey.make_months_of(log regclass, last_month timestamp)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_catalog.pg_class WHERE oid = log);
    rest text := format('latchkey.%I', name || '_after');
    range text := 'FOR VALUES FROM (%L) TO (%L)';
    months integer := 0;
    month timestamp;
    part text;
BEGIN
    IF latchkey.last_call_month(log) >= last_month THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', log);
    -- Again, now that nobody else can be making them.
    month := latchkey.last_call_month(log) + interval '1 month';
    EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', log, rest);
    WHILE month <= last_month LOOP
        part := format('latchkey.%I', name || to_char(month, '_YYYY_MM'));
        EXECUTE format('CREATE TABLE %s PARTITION OF %s ' || range, part, log,
            latchkey.first_call_id(month), latchkey.first_call_id(month + interval '1 month'));
        -- Straight into the partition: these rows are not new, no trigger on the log may think so.
        EXECUTE format(
            'WITH moved AS (DELETE FROM %s WHERE id >= %L AND id < %L RETURNING *) '
            'INSERT INTO %s SELECT * FROM moved',
            rest, latchkey.first_call_id(month),
            latchkey.first_call_id(month + interval '1 month'), part);
        months := months + 1;
        month := month + interval '1 month';
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s ' || range, log, rest,
        latchkey.first_call_id(month), '1');
    RETURN months;
END
$$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(MENDING)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(BEFORE)
    op.execute(
        "DROP FUNCTION latchkey.make_call_part, latchkey.missing_call_months, "
        "latchkey.has_call_part"
    )
