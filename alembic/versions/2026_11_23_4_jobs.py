"""The job queue: procrastinate's schema, and a function that queues a job from anywhere.

procrastinate names its tables without a schema: its workers connect with
`search_path=latchkey,public`. `latchkey.defer_job` needs no such connection.
"""

from procrastinate.schema import SchemaManager

from alembic import op

revision = "2026_11_23_4"
down_revision = "2026_11_23_3"
branch_labels = None
depends_on = None

DEFER_JOB = """
CREATE FUNCTION latchkey.defer_job(
    task_name text,
    args jsonb,
    queue text DEFAULT 'default',
    lock text DEFAULT NULL,
    queueing_lock text DEFAULT NULL,
    run_at timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE sql
-- procrastinate's triggers run inside, and use bare names.
SET search_path = latchkey, pg_temp
AS $$
    INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, scheduled_at)
    VALUES ($3, $1, $4, $5, $2, $6)
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
    RETURNING id
$$;
COMMENT ON FUNCTION latchkey.defer_job IS
    'Queue a job in this transaction; its id, or null when a job with this queueing_lock waits.';
"""

# All that lives in our schema and is named after procrastinate, in whatever version.
DROP_JOBS = """
DO $$
DECLARE
    thing text;
    things text[] := ARRAY(
        SELECT 'FUNCTION IF EXISTS ' || oid::regprocedure FROM pg_catalog.pg_proc
        WHERE pronamespace = 'latchkey'::regnamespace AND proname ~ '^procrastinate_'
        UNION ALL
        SELECT 'TABLE IF EXISTS ' || oid::regclass FROM pg_catalog.pg_class
        WHERE relnamespace = 'latchkey'::regnamespace AND relkind = 'r'
            AND relname ~ '^procrastinate_'
        UNION ALL
        SELECT 'TYPE IF EXISTS ' || type.oid::regtype FROM pg_catalog.pg_type AS type
        LEFT JOIN pg_catalog.pg_class AS class ON class.oid = type.typrelid
        WHERE typnamespace = 'latchkey'::regnamespace AND typname ~ '^procrastinate_'
            AND (typtype = 'e' OR class.relkind = 'c')
    );
BEGIN
    FOREACH thing IN ARRAY things LOOP
        EXECUTE 'DROP ' || thing || ' CASCADE';
    END LOOP;
END
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL search_path = latchkey")
    # The driver itself: it is many statements, and a % in them is no parameter.
    connection = op.get_bind().connection.driver_connection
    connection.execute(SchemaManager.get_schema())
    op.execute("SET LOCAL search_path TO DEFAULT")
    op.execute(DEFER_JOB)


def downgrade() -> None:
    op.execute("DROP FUNCTION latchkey.defer_job")
    op.execute(DROP_JOBS)
