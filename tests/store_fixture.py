"""The sandbox store as a process of its own, for tests that want what goes over the wire."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from adapters.shopify.storefront import ShopifyStorefront
from sandbox.processes import free_port
from sandbox.store.client import StoreControl
from sandbox.store.throttle import ThrottleKnobs

START_SECONDS = 60


@dataclass(frozen=True)
class RunningStore:
    """Where the store answers and what it is told apart by; ``control`` does what buyers and staff do."""

    url: str
    token: str
    secret: str
    control: StoreControl

    def storefront(self, channel: str = "shop", **more: object) -> ShopifyStorefront:
        """A new adapter of this store; close it."""
        return ShopifyStorefront(channel, self.url, self.token, **more)  # type: ignore[arg-type]


@contextmanager
def run_store(folder: Path, *, webhook_url: str = "") -> Iterator[RunningStore]:
    """Start a store whose state lies in ``folder``; end it by its process id."""
    token, secret, port = "sandbox-token", "sandbox-secret", free_port()
    url = f"http://127.0.0.1:{port}"
    log_file = folder / "store.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.store", "serve"),
                *("--state", str(folder / "store.sqlite"), "--port", str(port), "--webhook-url", webhook_url),
            ],
            stdout=log,
            stderr=log,
            env=os.environ
            | {"ORDERWRIGHT_SANDBOX_STORE_TOKEN": token, "ORDERWRIGHT_SANDBOX_STORE_SECRET": secret},
        )
    try:
        _wait_until_it_serves(url, process, log_file)
        with StoreControl(url) as control:
            yield RunningStore(url, token, secret, control)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_serves(url: str, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    tail = log_file.read_text(encoding="utf-8", errors="replace")[-2000:]
    pytest.fail(f"the sandbox store did not come up (exit status {process.poll()}): {tail}")


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """One store for a whole run that throttles nobody. Orders of other tests may be there; nobody resets it."""
    with run_store(tmp_path_factory.mktemp("store")) as store:
        store.control.set_throttle(ThrottleKnobs(maximum_available=1_000_000, restore_rate=100_000))
        yield store
