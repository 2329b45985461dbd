"""Random lives of orders against a simple model. ``--machine-runs`` says how many; ``make machine`` lives 50,000."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import OrderMachine
from tests.machine.weather import WeatheredDatabase
from tests.machine.world import House


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        database = WeatheredDatabase(f"sqlite:///{folder}/orders.db")
        database.migrate()
        house = House(database)
        yield house
        house.close()
        database.close()


def test_every_life_of_an_order_ends_well(house: House, pytestconfig: pytest.Config):
    class Machine(OrderMachine):
        pass

    Machine.house = house
    runs = pytestconfig.getoption("--machine-runs")
    run_state_machine_as_test(Machine, settings=settings(max_examples=runs, stateful_step_count=25))
