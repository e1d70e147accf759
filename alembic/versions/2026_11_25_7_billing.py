"""Billing: Stripe's events, what we know beyond `Subscription`, and what a status gives.

`plan_until` is the one place that says how long a subscription's status gives its plan. The key
cache, the periods and the pages all ask it.
"""

from alembic import op

revision = "2026_11_25_7"
down_revision = "2026_11_25_6"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE latchkey."BillingAccount" (
    "userId" text PRIMARY KEY REFERENCES public."User" ON UPDATE CASCADE ON DELETE CASCADE,
    tier text NOT NULL DEFAULT 'free',
    "unpaidSince" timestamp(3),
    "unpaidInvoiceId" text,
    "isOver" boolean NOT NULL DEFAULT false,
    "customerAskedAt" timestamp(3),
    "trialGivenAt" timestamp(3),
    acts integer NOT NULL DEFAULT 0,
    "leaseHolder" text,
    "leaseEndsAt" timestamp(3)
);

CREATE TABLE latchkey."StripeEvent" (
    id text PRIMARY KEY,
    type text NOT NULL,
    "stripeCustomerId" text,
    payload text NOT NULL,
    state text NOT NULL,
    note text,
    attempts integer NOT NULL DEFAULT 0,
    "createdAt" timestamp(3) NOT NULL,
    "receivedAt" timestamp(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    "nextTryAt" timestamp(3),
    "appliedAt" timestamp(3)
);
-- What is to be applied, by customer and by when: a handful of rows, however many events there are.
CREATE INDEX "StripeEvent_stripeCustomerId_idx" ON latchkey."StripeEvent" ("stripeCustomerId")
WHERE state = 'pending';
CREATE INDEX "StripeEvent_receivedAt_idx" ON latchkey."StripeEvent" ("receivedAt");

CREATE TABLE latchkey."BillingNotice" (
    id text PRIMARY KEY,
    "userId" text NOT NULL REFERENCES public."User" ON UPDATE CASCADE ON DELETE CASCADE,
    occasion text NOT NULL,
    kind text NOT NULL,
    details jsonb,
    "createdAt" timestamp(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
);
CREATE UNIQUE INDEX "BillingNotice_userId_occasion_key"
ON latchkey."BillingNotice" ("userId", occasion);
"""

ACCESS = """
CREATE FUNCTION latchkey.plan_until(
    status text, period_start timestamp, period_end timestamp, changed_at timestamp,
    unpaid_since timestamp, is_over boolean
) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN status IN ('active', 'trialing') THEN 'infinity'::timestamp
    WHEN status = 'past_due'
        THEN coalesce(unpaid_since, period_start, changed_at) + interval '7 days'
    WHEN status = 'canceled' AND unpaid_since IS NULL AND is_over IS NOT TRUE
        THEN coalesce(period_end, '-infinity')
    ELSE '-infinity'::timestamp
END;
COMMENT ON FUNCTION latchkey.plan_until IS
    'Until when a subscription gives its plan: `past_due` 7 days from the oldest open invoice, '
    '`canceled` to the end of the period that is paid, -infinity when it gives none.';

CREATE FUNCTION latchkey.is_payment_required(status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('past_due', 'unpaid');
COMMENT ON FUNCTION latchkey.is_payment_required IS
    'Whether calls are refused once the plan is no longer given; else the account is free.';

CREATE OR REPLACE FUNCTION latchkey.period_anchor(user_id text, at timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN coalesce(
    (SELECT bought."currentPeriodStart" FROM public."Subscription" AS bought
     LEFT JOIN latchkey."BillingAccount" AS billed ON billed."userId" = bought."userId"
     WHERE bought."userId" = user_id AND at < latchkey.plan_until(bought.status,
        bought."currentPeriodStart", bought."currentPeriodEnd", bought."updatedAt",
        billed."unpaidSince", billed."isOver")),
    date_trunc('month', at)
);

CREATE TRIGGER latchkey_notify
AFTER INSERT OR DELETE OR UPDATE OF "unpaidSince", "isOver"
ON latchkey."BillingAccount" FOR EACH ROW
EXECUTE FUNCTION latchkey.notify_authority('scope', 'userId');
"""

BEFORE = """
CREATE OR REPLACE FUNCTION latchkey.period_anchor(user_id text, at timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN coalesce(
    (SELECT "currentPeriodStart" FROM public."Subscription"
     WHERE "userId" = user_id AND status IN ('active', 'trialing', 'past_due')),
    date_trunc('month', at)
);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for part in (TABLES, ACCESS):
        # The driver itself: SQLAlchemy would take the colons for parameters.
        op.get_bind().connection.driver_connection.execute(part)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.get_bind().connection.driver_connection.execute(BEFORE)
    op.execute('DROP TABLE latchkey."BillingNotice", latchkey."StripeEvent"')
    op.execute('DROP TABLE latchkey."BillingAccount"')
    op.execute("DROP FUNCTION latchkey.plan_until, latchkey.is_payment_required")
