"""What we wrote ourselves, so that its echo is known; and what a return was told apart from its order.

Version 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "own_writes",
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("tells", sa.String(length=200), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_as", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("channel", "external_id", "tells"),
    )
    op.create_index("ix_own_writes_written_at", "own_writes", ["written_at"], unique=False)
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tells", sa.String(length=200), nullable=True))
    with op.batch_alter_table("erp_news", schema=None) as batch_op:
        batch_op.add_column(sa.Column("back", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("erp_news", schema=None) as batch_op:
        batch_op.drop_column("back")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_column("tells")
    op.drop_index("ix_own_writes_written_at", table_name="own_writes")
    op.drop_table("own_writes")
