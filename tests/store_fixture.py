"""The sandbox store and the adapter that talks to it, for tests that want what goes over the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.shopify.storefront import ShopifyStorefront
from sandbox.store.throttle import ThrottleKnobs
from tests.running_store import TOKEN, RunningStore

UNTHROTTLED = ThrottleKnobs(maximum_available=1_000_000, restore_rate=100_000)


@contextmanager
def run_store(folder: Path, webhook_url: str = "") -> Iterator[RunningStore]:
    """A store that throttles nobody and keeps its state in ``folder``, as long as the block lasts."""
    store = RunningStore(folder / "store.sqlite", webhook_url)
    try:
        store.start()
        store.control.set_throttle(UNTHROTTLED)
        yield store
    finally:
        store.close()


def storefront_at(store: RunningStore, channel: str = "shop") -> ShopifyStorefront:
    """A new adapter of a running store; close it."""
    return ShopifyStorefront(channel, store.url, TOKEN)


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """One store for a whole run. Orders of other tests may be there; nobody resets it."""
    with run_store(tmp_path_factory.mktemp("store")) as store:
        yield store
