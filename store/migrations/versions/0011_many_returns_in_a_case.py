"""An order may wait in one case with many of its returns at once: the steps that they stand at take more room.

Version 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen(from_=60, to=1000)


def downgrade() -> None:
    op.execute(sa.text("UPDATE case_order SET step = substr(step, 1, 60) WHERE length(step) > 60"))
    _widen(from_=1000, to=60)


def _widen(*, from_: int, to: int) -> None:
    with op.batch_alter_table("case_order", schema=None) as batch_op:
        batch_op.alter_column(
            "step",
            existing_type=sa.String(length=from_),
            type_=sa.String(length=to),
            existing_nullable=False,
        )
