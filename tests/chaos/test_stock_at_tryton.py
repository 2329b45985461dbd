"""The feed of stock while a real Tryton is written to, small; ``python -m tests.chaos.stock_at_tryton`` runs 2,000."""

import os
from pathlib import Path

import pytest

from tests.chaos.stock_at_tryton import run
from tests.tryton_fixture import ROOT

pytestmark = [pytest.mark.long, pytest.mark.tryton]

SKUS, SECONDS = 60, 10.0


async def test_the_feed_misses_nothing_while_stock_is_written_to(tmp_path: Path) -> None:
    state_dir = Path(os.environ.get("ORDERWRIGHT_TEST_TRYTON_DIR", str(ROOT / "var" / "tryton")))
    found = await run(SKUS, SECONDS, 1, state_dir, tmp_path)
    assert found.unexplained == []
    assert {"count", "send", "carry_on", "commit_late"} <= found.acts.keys()
