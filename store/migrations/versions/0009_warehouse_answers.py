"""What an order was told of what warehouses have in hand, while it waits for them to put goods back.

Version 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("erp_news", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hands", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("erp_news", schema=None) as batch_op:
        batch_op.drop_column("hands")
