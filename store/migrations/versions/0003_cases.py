"""Cases: what waits for a person by cause, its orders, what was tried; reviewed rules of the mapping.

Version 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('cases',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('cause', sa.String(length=300), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('deadline', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('assigned_to', sa.String(length=100), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('resolved_by', sa.String(length=100), nullable=False),
    sa.Column('resolution', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('cases', schema=None) as batch_op:
        batch_op.create_index('ix_cases_state', ['state', 'resolved_at'], unique=False)
        batch_op.create_index('uq_cases_open_cause', ['cause'], unique=True, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.create_table('case_act',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=False),
    sa.Column('once', sa.String(length=200), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('act', sa.String(length=20), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['case_id'], ['cases.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('once')
    )
    with op.batch_alter_table('case_act', schema=None) as batch_op:
        batch_op.create_index('ix_case_act_case', ['case_id', 'id'], unique=False)

    op.create_table('case_order',
    sa.Column('case_id', sa.Integer(), nullable=False),
    sa.Column('channel', sa.String(length=60), nullable=False),
    sa.Column('external_id', sa.String(length=100), nullable=False),
    sa.Column('step', sa.String(length=60), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reports', sa.Integer(), nullable=False),
    sa.Column('left_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['case_id'], ['cases.id'], ),
    sa.PrimaryKeyConstraint('case_id', 'channel', 'external_id')
    )
    with op.batch_alter_table('case_order', schema=None) as batch_op:
        batch_op.create_index('ix_case_order_waiting', ['channel', 'external_id', 'left_at'], unique=False)

    op.create_table('mapping_rule',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('mapping', sa.String(length=100), nullable=False),
    sa.Column('table', sa.String(length=40), nullable=False),
    sa.Column('key', sa.String(length=300), nullable=False),
    sa.Column('value', sa.String(length=300), nullable=False),
    sa.Column('replaced', sa.String(length=300), nullable=True),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['case_id'], ['cases.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('mapping_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mapping_rule_mapping'), ['mapping'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('mapping_rule', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mapping_rule_mapping'))

    op.drop_table('mapping_rule')
    with op.batch_alter_table('case_order', schema=None) as batch_op:
        batch_op.drop_index('ix_case_order_waiting')

    op.drop_table('case_order')
    with op.batch_alter_table('case_act', schema=None) as batch_op:
        batch_op.drop_index('ix_case_act_case')

    op.drop_table('case_act')
    with op.batch_alter_table('cases', schema=None) as batch_op:
        batch_op.drop_index('uq_cases_open_cause', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index('ix_cases_state')

    op.drop_table('cases')
