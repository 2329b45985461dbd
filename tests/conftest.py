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

BUILDS_TRYTON = Path("contract", "test_erp_contract.py")
"""Comes first: on first use it builds the ERP's database, for which whoever else wants Tryton has to wait."""
WITH_ITS_DATABASE = 400
"""Seconds for a test that wants Tryton: the first of a process may have to build it, or to wait for who builds it."""
BUSY = "machine"
"""Files that keep a processor for a minute or two and wait for nothing: what others do while that database is built."""
QUICK = frozenset({"replay", "unit", "web"})
"""Folders of quick tests. They come last: a long file that begins late is one that another process waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files (``make test`` runs some processes, each a file at a time)."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(here)
        if path == BUILDS_TRYTON:
            return 0
        folder = path.parts[0]
        return 1 if folder == BUSY else 3 if folder in QUICK else 2

    items.sort(key=turn)
    for item in items:
        if item.get_closest_marker("tryton") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(WITH_ITS_DATABASE))
