"""Random lives of orders whose goods are exchanged, the same each time; others: ``make machine ARGS=--exchanges``."""

from tests.machine.exchanges import ExchangeMachine
from tests.machine.living import Share, live

LIVES = 60


def test_every_exchange_ends_well():
    finding = live(Share(LIVES, seed=1), ExchangeMachine).finding
    assert not finding, finding
