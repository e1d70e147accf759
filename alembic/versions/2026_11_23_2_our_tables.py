"""Our own tables, in the schema `latchkey`: what we add to the document's, and links."""

from alembic import op

revision = "2026_11_23_2"
down_revision = "2026_11_23_1"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE latchkey."ApiKeyDetail" (
    "keyId" text PRIMARY KEY
        REFERENCES public."ApiKeyMetadata" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    start text NOT NULL,
    "expiresAt" timestamp(3),
    "allowedIps" text[],
    "rotatedFromId" text,
    "graceEndsAt" timestamp(3)
);

CREATE TABLE latchkey."TrialApiKeyDetail" (
    "keyId" text PRIMARY KEY
        REFERENCES public."TrialApiKey" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    start text NOT NULL,
    "expiresAt" timestamp(3),
    "allowedIps" text[]
);

-- No foreign key: it is written beside the hot path and must lock no key.
CREATE TABLE latchkey."KeyLastUse" (
    "keyId" text PRIMARY KEY,
    "lastUsedAt" timestamp(3) NOT NULL
);

CREATE TABLE latchkey."UserDetail" (
    "userId" text PRIMARY KEY
        REFERENCES public."User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "logSeenAt" timestamp(3)
);

CREATE TABLE latchkey."SessionDetail" (
    "sessionId" text PRIMARY KEY
        REFERENCES public."Session" (id) ON DELETE CASCADE ON UPDATE CASCADE,
    "createdAt" timestamp(3) NOT NULL,
    "lastSeenAt" timestamp(3) NOT NULL,
    "userAgent" text,
    "ipAddress" text
);

CREATE TABLE latchkey."SignInLink" (
    id text PRIMARY KEY,
    email text NOT NULL,
    name text,
    company text,
    next text,
    "browserHash" text NOT NULL,
    "tokenHash" text UNIQUE,
    "createdAt" timestamp(3) NOT NULL
);

CREATE TABLE latchkey."TrialApiCall" (
    id text COLLATE "C" NOT NULL,
    "apiKeyId" text NOT NULL,
    endpoint text NOT NULL,
    method text NOT NULL,
    "statusCode" integer NOT NULL,
    "latencyMs" integer NOT NULL,
    "requestBody" jsonb,
    "responseBody" jsonb,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    units integer NOT NULL DEFAULT 0,
    "ownerId" text,
    CONSTRAINT "TrialApiCall_pkey" PRIMARY KEY (id),
    CONSTRAINT "TrialApiCall_apiKeyId_fkey" FOREIGN KEY ("apiKeyId")
        REFERENCES public."TrialApiKey" (id) ON DELETE CASCADE ON UPDATE CASCADE
) PARTITION BY RANGE (id);
CREATE INDEX "TrialApiCall_createdAt_idx" ON latchkey."TrialApiCall" ("createdAt");
CREATE INDEX "TrialApiCall_apiKeyId_createdAt_id_idx"
    ON latchkey."TrialApiCall" ("apiKeyId", "createdAt", id);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(
        'DROP TABLE latchkey."TrialApiCall", latchkey."SignInLink", latchkey."SessionDetail", '
        'latchkey."UserDetail", latchkey."KeyLastUse", latchkey."TrialApiKeyDetail", '
        'latchkey."ApiKeyDetail"'
    )
