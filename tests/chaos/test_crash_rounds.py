"""Processes killed at random points while orders arrive: nothing lost, nothing twice, nothing stuck."""

import os
from pathlib import Path

import pytest

from sandbox.house import people_around
from sandbox.stack import Stack
from tests.chaos.crashes import Crashes, Toll

ROOT = Path(__file__).parents[2]
TRYTON_STATE = Path(os.environ.get("ORDERWRIGHT_TEST_TRYTON_DIR", ROOT / "var" / "tryton"))
SEED = int(os.environ.get("ORDERWRIGHT_TEST_SEED", "20261125"))
SECONDS_PER_ORDER = 0.01
"""What the memory ERP takes over an order: long enough to be killed in the middle of one."""


async def crash(
    folder: Path, *, rounds: int, orders: int, patience: float, memory_erp: float | None = SECONDS_PER_ORDER
) -> Toll:
    print(f"\nORDERWRIGHT_TEST_SEED={SEED} repeats this; logs are in {folder}/log")
    stack = Stack(
        folder, fresh=True, say=print, tryton_state=TRYTON_STATE, memory_erp=memory_erp, known_ports=False
    )
    async with stack, people_around(stack) as house:
        crashes = Crashes(house, seed=SEED, rounds=rounds, orders=orders, patience=patience)
        try:
            toll = await crashes.run()
        finally:
            print(crashes.toll.words())
    return toll


def assert_nothing_happened(toll: Toll) -> None:
    assert toll.kills.total() > 0
    assert toll.died == [], "a process ended by itself because another one was away"
    assert toll.lost == []
    assert toll.duplicates == 0
    assert toll.unbalanced == []
    assert toll.stuck == []


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_few_rounds_of_crashes_leave_one_of_everything(tmp_path: Path):
    assert_nothing_happened(await crash(tmp_path, rounds=3, orders=18, patience=120))


@pytest.mark.drill
@pytest.mark.timeout(1800)
async def test_fifty_rounds_of_crashes_over_five_hundred_orders_leave_one_of_everything(tmp_path: Path):
    toll = await crash(tmp_path, rounds=50, orders=500, patience=300)
    assert_nothing_happened(toll)
    assert set(toll.kills) == {"worker", "web", "temporal", "erp"}


@pytest.mark.drill
@pytest.mark.tryton
@pytest.mark.timeout(1200)
async def test_rounds_of_crashes_with_a_real_erp_leave_one_of_everything(tmp_path: Path):
    assert_nothing_happened(await crash(tmp_path, rounds=8, orders=24, patience=400, memory_erp=None))
