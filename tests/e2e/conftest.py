"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator

import pytest

from sandbox.store.throttle import ThrottleKnobs
from tests.running_store import RunningStore


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """One store process for all tests."""
    running = RunningStore(tmp_path_factory.mktemp("store") / "store.sqlite").start()
    yield running
    running.close()


@pytest.fixture
def store(running_store: RunningStore) -> RunningStore:
    """A running store without orders, with points to spend and no webhooks."""
    running_store.control.reset()
    running_store.control.set_throttle(ThrottleKnobs(maximum_available=100_000, restore_rate=100_000))
    return running_store
