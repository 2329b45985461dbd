"""Settings that every test shares."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Fixtures for every folder below: imported into several modules, each would start servers of its own.
from tests.database_fixture import database_url, db, open_database, postgres_server, sqlite_db
from tests.tryton_fixture import tryton_server

__all__ = ["database_url", "db", "open_database", "postgres_server", "sqlite_db", "tryton_server"]

# A busy machine is slow, not wrong: no deadlines. A failure prints what reproduces it.
settings.register_profile(
    "orderwright", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("orderwright")

QUICK = frozenset({"replay", "unit", "web"})
"""Folders of quick tests. They come last: a long file that begins late is one that another process waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files (``make test`` runs some processes, each a file at a time)."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] in QUICK)
