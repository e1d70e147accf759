"""Why an account is suspended, and who did it."""

from alembic import op

revision = "2026_11_25_13"
down_revision = "2026_11_25_12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        'ALTER TABLE latchkey."UserDetail" ADD "suspensionReason" text, ADD "suspendedBy" text'
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('ALTER TABLE latchkey."UserDetail" DROP "suspensionReason", DROP "suspendedBy"')
