"""Random lives of orders against a simple model, the same ones each time; ``make machine`` takes 50,000 others."""

import pytest

from tests.machine.living import live_all

LIVES = 2000


@pytest.mark.timeout(900)
def test_every_life_of_an_order_ends_well():
    findings = [lived.finding for lived in live_all(LIVES, first_seed=1) if lived.finding]
    assert not findings, "\n\n".join(findings)
