"""Which sign-ins by a provider have come back: each may once."""

from alembic import op

revision = "2026_11_25_12"
down_revision = "2026_11_25_11"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE latchkey."OAuthStateUse" (
    "stateHash" text PRIMARY KEY,
    "usedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "OAuthStateUse_usedAt_idx" ON latchkey."OAuthStateUse" ("usedAt");
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('DROP TABLE latchkey."OAuthStateUse"')
