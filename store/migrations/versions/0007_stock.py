"""What the ERP told of its stock, what orders claim of it, what storefronts show, and how both drift apart.

Version 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erp_kit_part",
        sa.Column("kit", sa.String(length=100), nullable=False),
        sa.Column("component", sa.String(length=100), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kit", "component"),
    )
    with op.batch_alter_table("erp_kit_part", schema=None) as batch_op:
        batch_op.create_index("ix_erp_kit_part_component", ["component"], unique=False)

    op.create_table(
        "erp_stock",
        sa.Column("product", sa.String(length=100), nullable=False),
        sa.Column("warehouse", sa.String(length=60), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("allocated", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("incoming", sa.JSON(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("product", "warehouse"),
    )
    op.create_table(
        "erp_unread",
        sa.Column("product", sa.String(length=100), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product"),
    )
    op.create_table(
        "shown_stock",
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=100), nullable=False),
        sa.Column("item_id", sa.String(length=100), nullable=False),
        sa.Column("product", sa.String(length=100), nullable=False),
        sa.Column("warehouse", sa.String(length=60), nullable=False),
        sa.Column("tracked", sa.Boolean(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("setting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "sku", "location"),
    )
    with op.batch_alter_table("shown_stock", schema=None) as batch_op:
        batch_op.create_index("ix_shown_stock_product", ["product"], unique=False)

    op.create_table(
        "stock_claim",
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=100), nullable=False),
        sa.Column("product", sa.String(length=100), nullable=False),
        sa.Column("warehouse", sa.String(length=60), nullable=False),
        sa.Column("due", sa.Integer(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("awaiting", sa.Integer(), nullable=False),
        sa.Column("entering", sa.Integer(), nullable=False),
        sa.Column("entered_token", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "external_id", "sku", "location"),
    )
    with op.batch_alter_table("stock_claim", schema=None) as batch_op:
        batch_op.create_index("ix_stock_claim_product", ["product", "live"], unique=False)
        batch_op.create_index("ix_stock_claim_sku", ["channel", "sku", "live"], unique=False)

    op.create_table(
        "stock_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "stock_gap",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=100), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("stock_gap", schema=None) as batch_op:
        batch_op.create_index("ix_stock_gap_since", ["since"], unique=False)
        batch_op.create_index("ix_stock_gap_sku", ["channel", "sku", "location"], unique=False)

    op.create_table(
        "stock_held",
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("warehouse", sa.String(length=60), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "external_id", "sku", "warehouse"),
    )
    op.create_table(
        "stock_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shown", sa.BigInteger(), nullable=False),
        sa.Column("sellable", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("stock_history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stock_history_at"), ["at"], unique=False)
        batch_op.create_index("ix_stock_history_place", ["channel", "sku", "location", "at"], unique=False)

    op.create_table(
        "stock_mark",
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "sku"),
    )
    with op.batch_alter_table("stock_mark", schema=None) as batch_op:
        batch_op.create_index("ix_stock_mark_due", ["channel", "due_at"], unique=False)

    op.create_table(
        "stock_whole",
        sa.Column("system", sa.String(length=60), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("system"),
    )


def downgrade() -> None:
    op.drop_table("stock_whole")
    with op.batch_alter_table("stock_mark", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_mark_due")

    op.drop_table("stock_mark")
    with op.batch_alter_table("stock_history", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_history_place")
        batch_op.drop_index(batch_op.f("ix_stock_history_at"))

    op.drop_table("stock_history")
    op.drop_table("stock_held")
    with op.batch_alter_table("stock_gap", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_gap_sku")
        batch_op.drop_index("ix_stock_gap_since")

    op.drop_table("stock_gap")
    op.drop_table("stock_clock")
    with op.batch_alter_table("stock_claim", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_claim_sku")
        batch_op.drop_index("ix_stock_claim_product")

    op.drop_table("stock_claim")
    with op.batch_alter_table("shown_stock", schema=None) as batch_op:
        batch_op.drop_index("ix_shown_stock_product")

    op.drop_table("shown_stock")
    op.drop_table("erp_unread")
    op.drop_table("erp_stock")
    with op.batch_alter_table("erp_kit_part", schema=None) as batch_op:
        batch_op.drop_index("ix_erp_kit_part_component")

    op.drop_table("erp_kit_part")
