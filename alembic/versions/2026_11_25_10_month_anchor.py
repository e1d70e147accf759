"""An account's months of units go on when its subscription's period begins anew.

At Stripe a change between month and year begins a period, whenever it is made, and gives back
what is left of the old one. Months that began with the period would give all units again for
each such change. So they begin with the subscription, or with the end of its trial.
"""

from alembic import op

revision = "2026_11_25_10"
down_revision = "2026_11_25_9"
branch_labels = None
depends_on = None

ANCHOR = """
CREATE OR REPLACE FUNCTION latchkey.period_anchor(user_id text, at timestamp) RETURNS timestamp
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN coalesce(
    (SELECT {start} FROM public."Subscription" AS bought
     LEFT JOIN latchkey."BillingAccount" AS billed ON billed."userId" = bought."userId"
     WHERE bought."userId" = user_id AND at < latchkey.plan_until(bought.status,
        bought."currentPeriodStart", bought."currentPeriodEnd", bought."updatedAt",
        billed."unpaidSince", billed."isOver")),
    date_trunc('month', at)
)
"""
PERIOD = 'bought."currentPeriodStart"'


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('ALTER TABLE latchkey."BillingAccount" ADD "monthAnchor" timestamp(3)')
    op.execute(ANCHOR.format(start=f'coalesce(billed."monthAnchor", {PERIOD})'))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(ANCHOR.format(start=PERIOD))
    op.execute('ALTER TABLE latchkey."BillingAccount" DROP "monthAnchor"')
