"""What the billing sandbox keeps: one table of documents, in Stripe's shape."""

from alembic import op

revision = "2026_11_25_6"
down_revision = "2026_11_25_5"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE latchkey."SandboxDocument" (
    id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    parent text COLLATE "C",
    clock text COLLATE "C" NOT NULL DEFAULT '',
    "dueAt" bigint,
    object jsonb NOT NULL,
    notes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX "SandboxDocument_listed" ON latchkey."SandboxDocument" (kind, parent, number);
CREATE INDEX "SandboxDocument_due" ON latchkey."SandboxDocument" (clock, "dueAt")
    WHERE "dueAt" IS NOT NULL;
COMMENT ON TABLE latchkey."SandboxDocument" IS
    'The billing sandbox''s customers, subscriptions, invoices, events and their deliveries. Only '
    'the sandbox reads and writes it, under an advisory lock; empty where Stripe itself is used.';
COMMENT ON COLUMN latchkey."SandboxDocument".number IS 'The order of making, for lists.';
COMMENT ON COLUMN latchkey."SandboxDocument".parent IS 'Whose it is: a customer''s id, mostly.';
COMMENT ON COLUMN latchkey."SandboxDocument".clock IS
    'What its dueAt is told by: a test clock''s id, the sandbox''s clock (empty), or real time '
    '(wall).';
COMMENT ON COLUMN latchkey."SandboxDocument"."dueAt" IS
    'Unix seconds at which something happens to it by itself.';
COMMENT ON COLUMN latchkey."SandboxDocument".object IS 'What the API answers.';
COMMENT ON COLUMN latchkey."SandboxDocument".notes IS 'What only the sandbox needs to know.';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('DROP TABLE latchkey."SandboxDocument"')
