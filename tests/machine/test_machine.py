"""Random lives of orders against a simple model, the same ones each time; ``make machine`` takes 50,000 others."""

import os

import pytest

from tests.machine.living import lives_of

LIVES = 2000
BESIDE_OTHERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else None
"""Processes: the other processors are those of the other test processes, whose waits are in real seconds."""


@pytest.mark.timeout(1200)
def test_every_life_of_an_order_ends_well():
    findings = [lived.finding for lived in lives_of(LIVES, first_seed=1, jobs=BESIDE_OTHERS) if lived.finding]
    assert not findings, "\n\n".join(findings)
