"""The partitions of both logs of calls, and the function that makes further months.

The ranges cover all text, so that no program's insert fails for want of a partition:
what comes before the first month (`…_before`), one for each month of UUIDv7s (`…_2026_11`),
what comes after the last (`…_after`), and from '1' up the ids of other programs
(`…_foreign`; a UUIDv7 begins with 0 until the year 2527). There is no default partition:
every new month would have to scan it.
"""

from alembic import op

revision = "2026_11_23_3"
down_revision = "2026_11_23_2"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION latchkey.first_call_id(moment timestamp) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT substr(ms, 1, 8) || '-' || substr(ms, 9)
    FROM lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') AS ms
);
COMMENT ON FUNCTION latchkey.first_call_id IS
    'Sorts, in the collation C, between the UUIDv7s before this UTC moment and those from it on.';

CREATE FUNCTION latchkey.last_call_month(log regclass) RETURNS timestamp
LANGUAGE sql STABLE STRICT
RETURN (
    SELECT max(to_date(right(part.relname, 7), 'YYYY_MM'))::timestamp
    FROM pg_catalog.pg_inherits
    JOIN pg_catalog.pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = log AND part.relname ~ '_[0-9]{4}_[0-9]{2}$'
);
COMMENT ON FUNCTION latchkey.last_call_month IS 'The newest month that has a partition.';

CREATE FUNCTION latchkey.make_months_of(log regclass, last_month timestamp) RETURNS integer
LANGUAGE plpgsql AS $$
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

CREATE FUNCTION latchkey.make_call_months(ahead integer) RETURNS integer
LANGUAGE sql
RETURN (
    SELECT sum(latchkey.make_months_of(log,
        date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead)))::integer
    FROM unnest(ARRAY['public."ApiCall"', 'latchkey."TrialApiCall"']::regclass[]) AS log
);
COMMENT ON FUNCTION latchkey.make_call_months IS
    'Make the partitions up to this many months from now, where they are missing; says how many.';
"""

# The partitions of the first month, and around it.
FIRST = """
DO $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    starts text := quote_literal(latchkey.first_call_id(month));
    ends text := quote_literal(latchkey.first_call_id(month + interval '1 month'));
    log regclass;
    name text;
    part text;
BEGIN
    FOR log, name IN VALUES ('public."ApiCall"'::regclass, 'ApiCall'),
                            ('latchkey."TrialApiCall"'::regclass, 'TrialApiCall')
    LOOP
        part := 'CREATE TABLE latchkey.%I PARTITION OF %s FOR VALUES FROM (%s) TO (%s)';
        EXECUTE format(part, name || '_before', log, 'MINVALUE', starts);
        EXECUTE format(part, name || to_char(month, '_YYYY_MM'), log, starts, ends);
        EXECUTE format(part, name || '_after', log, ends, quote_literal('1'));
        EXECUTE format(part, name || '_foreign', log, quote_literal('1'), 'MAXVALUE');
    END LOOP;
END
$$
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(FIRST)
    op.execute("SELECT latchkey.make_call_months(3)")


def downgrade() -> None:
    op.execute(
        """
        DO $$
        DECLARE part regclass;
        BEGIN
            FOR part IN SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent IN
                ('public."ApiCall"'::regclass, 'latchkey."TrialApiCall"'::regclass)
                AND inhrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'r')
            LOOP
                EXECUTE format('DROP TABLE %s', part);
            END LOOP;
        END
        $$
        """
    )
    op.execute(
        "DROP FUNCTION latchkey.make_call_months, latchkey.make_months_of, "
        "latchkey.last_call_month, latchkey.first_call_id"
    )
