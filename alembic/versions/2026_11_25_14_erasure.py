"""Accounts that are being erased: what is still to be done follows from this table."""

from alembic import op

revision = "2026_11_25_14"
down_revision = "2026_11_25_13"
branch_labels = None
depends_on = None

TABLE = """
-- No foreign key: it outlives the account while Stripe does not answer.
CREATE TABLE latchkey."Erasure" (
    id text PRIMARY KEY,
    "userId" text NOT NULL UNIQUE,
    "requestedAt" timestamp(3) NOT NULL,
    "nextTryAt" timestamp(3) NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    "toldAt" timestamp(3),
    "customerGoneAt" timestamp(3),
    "stripeCustomerId" text
);
CREATE INDEX "Erasure_nextTryAt_idx" ON latchkey."Erasure" ("nextTryAt");
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('DROP TABLE latchkey."Erasure"')
