"""Limits that hold on every node, and which keys were reported as exposed."""

from alembic import op

revision = "2026_11_25_15"
down_revision = "2026_11_25_14"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE latchkey."Allowance" (
    bucket text PRIMARY KEY,
    "freeAt" timestamptz NOT NULL
);

-- No foreign key: a key is a live one or a trial's. A sweep follows.
CREATE TABLE latchkey."KeyExposure" (
    "keyId" text PRIMARY KEY,
    place text,
    "endsAt" timestamp(3) NOT NULL,
    "reportedAt" timestamp(3) NOT NULL
);

CREATE INDEX "SignInLink_email_idx" ON latchkey."SignInLink" (email);
"""

# A bucket is one moment, at which all that was taken from it is free again; with each taking it
# moves on (the generic cell rate algorithm, ITU-T I.371). Bucket, number and seconds of each.
ALLOWANCES = """
CREATE FUNCTION latchkey.allowance_wait(
    buckets text[], most integer[], seconds integer[], cost integer
) RETURNS double precision LANGUAGE sql VOLATILE
RETURN coalesce((
    SELECT greatest(0, max(extract(epoch FROM greatest(known."freeAt" - clock_timestamp(),
        interval '0')) + cost * asked.seconds::double precision / asked.most - asked.seconds))
    FROM unnest(buckets, most, seconds) AS asked (bucket, most, seconds)
    JOIN latchkey."Allowance" AS known ON known.bucket = asked.bucket
), 0);
COMMENT ON FUNCTION latchkey.allowance_wait IS
    'Seconds until so much may be taken from all these buckets; 0: now.';

CREATE FUNCTION latchkey.take_allowance(
    buckets text[], most integer[], seconds integer[], cost integer
) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    wait double precision;
BEGIN
    -- Who is refused writes and locks nothing, so that a flood costs a read.
    wait := latchkey.allowance_wait(buckets, most, seconds, cost);
    IF wait > 0 THEN
        RETURN wait;
    END IF;
    INSERT INTO latchkey."Allowance" (bucket, "freeAt")
    SELECT each, clock_timestamp() FROM unnest(buckets) AS each ORDER BY each
    ON CONFLICT (bucket) DO NOTHING;
    PERFORM FROM latchkey."Allowance" WHERE bucket = ANY (buckets) ORDER BY bucket FOR UPDATE;
    wait := latchkey.allowance_wait(buckets, most, seconds, cost);
    IF wait > 0 THEN
        RETURN wait;
    END IF;
    UPDATE latchkey."Allowance" AS known
    SET "freeAt" = greatest(known."freeAt", clock_timestamp())
        + cost * interval '1 second' * asked.seconds / asked.most
    FROM unnest(buckets, most, seconds) AS asked (bucket, most, seconds)
    WHERE known.bucket = asked.bucket;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION latchkey.take_allowance IS
    'Takes so much from all these buckets, or from none: then the seconds to wait.';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(ALLOWANCES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION latchkey.take_allowance, latchkey.allowance_wait")
    op.execute('DROP INDEX latchkey."SignInLink_email_idx"')
    op.execute('DROP TABLE latchkey."KeyExposure", latchkey."Allowance"')
