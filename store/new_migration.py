"""``python -m store.new_migration "what changes"``: writes a migration from the difference to the tables' models.

It is compared on a fresh SQLite file; read what it wrote, then run ``tests/unit/test_store_database.py``, which
runs it on both databases.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command

from store.database import Database, alembic_config


def main(message: str) -> None:
    """Write the file beside the others in ``store/migrations/versions``."""
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'compare.db'}")
        db.migrate()
        number = len(db.versions()) + 1
        with db.engine.connect() as connection:
            command.revision(alembic_config(connection), message, autogenerate=True, rev_id=f"{number:04d}")
        db.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  the program and its one argument
        sys.exit('say what changes: python -m store.new_migration "add a column to inbox"')
    main(sys.argv[1])
