"""Alembic's entry: runs migrations on the connection that ``store.database`` hands over, in its transaction."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Enum

from store.columns import ExactDecimal, UtcTime
from store.tables import METADATA


def plain_type(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write our types as what the database sees, so that an old migration never depends on today's code."""
    if kind != "type":
        return False
    if isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, ExactDecimal):
        return "sa.String(length=40)"
    if isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    return False


connection = context.config.attributes.get("connection")
if connection is None:
    msg = "migrations run by `Database.migrate()`; to write a new one, run `python -m store.new_migration`"
    raise RuntimeError(msg)
# Batch mode: SQLite can alter little in place, so Alembic rebuilds a table there.
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
    render_item=plain_type,
)
with context.begin_transaction():
    context.run_migrations()
