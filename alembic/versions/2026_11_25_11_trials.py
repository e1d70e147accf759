"""What we know of a trial beyond the document's columns, and who has had one."""

from alembic import op

revision = "2026_11_25_11"
down_revision = "2026_11_25_10"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE latchkey."TrialDetail" (
    "workspaceId" text PRIMARY KEY REFERENCES public."TrialWorkspace" (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    "wishedAt" timestamp(3)
);
CREATE INDEX "TrialDetail_wishedAt_idx" ON latchkey."TrialDetail" ("wishedAt")
    WHERE "wishedAt" IS NOT NULL;

CREATE TABLE latchkey."TrialExtension" (
    id text PRIMARY KEY,
    "workspaceId" text NOT NULL REFERENCES public."TrialWorkspace" (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    days integer NOT NULL CHECK (days > 0),
    reason text NOT NULL,
    "endedAt" timestamp(3) NOT NULL,
    "endsAt" timestamp(3) NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "TrialExtension_workspaceId_idx" ON latchkey."TrialExtension" ("workspaceId");

CREATE TABLE latchkey."TrialNotice" (
    id text PRIMARY KEY,
    "workspaceId" text NOT NULL REFERENCES public."TrialWorkspace" (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    kind text NOT NULL,
    "endsAt" timestamp(3) NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE ("workspaceId", kind, "endsAt")
);

-- No foreign key: it outlives the account, so that signing up again gives no second trial.
CREATE TABLE latchkey."TrialClaim" (
    subject text NOT NULL,
    tier text NOT NULL,
    "takenAt" timestamp(3) NOT NULL,
    PRIMARY KEY (subject, tier)
);
CREATE INDEX "TrialClaim_takenAt_idx" ON latchkey."TrialClaim" ("takenAt");

ALTER TABLE latchkey."ApiKeyDetail" ADD "trialKeyId" text;
CREATE UNIQUE INDEX "ApiKeyDetail_trialKeyId_key" ON latchkey."ApiKeyDetail" ("trialKeyId");
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('ALTER TABLE latchkey."ApiKeyDetail" DROP "trialKeyId"')
    op.execute(
        'DROP TABLE latchkey."TrialClaim", latchkey."TrialNotice", latchkey."TrialExtension", '
        'latchkey."TrialDetail"'
    )
