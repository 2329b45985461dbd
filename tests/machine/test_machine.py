"""Random lives of orders against a simple model, the same ones each time; ``make machine`` takes 50,000 others."""

import os

import pytest

from tests.machine.living import lives_of

BESIDE_OTHERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else None
"""Processes: the other processors are those of the other test processes, whose waits are in real seconds."""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lives", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_every_life_of_an_order_ends_well(lives: int):
    findings = [lived.finding for lived in lives_of(lives, first_seed=1, jobs=BESIDE_OTHERS) if lived.finding]
    assert not findings, "\n\n".join(findings)
