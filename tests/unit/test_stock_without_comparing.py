"""Telling a storefront that sets whatever number it is given: what came of it is read back."""

from collections.abc import Sequence

import pytest

from adapters.memory.storefront import MemoryStorefront
from domain.stock import SettingOutcome, SettingState, ShownStock, StockSetting
from store.database import Database
from tests.unit.test_stock_push import HERE, MUG, House, told


class Blind(MemoryStorefront):
    """Cannot compare. ``before_reading`` and ``before_setting`` are what buyers do as such a call comes in."""

    def __init__(self) -> None:
        super().__init__("shop", compare_and_set=False)
        self.before_reading: list[int] = []
        """Units that are bought before each of the next readings."""
        self.before_setting = self.settings = 0
        self.buy = lambda units: None

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        self._sell(self.before_reading.pop(0) if self.before_reading else 0)
        return await super().read_stock(skus)

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        units, self.before_setting = self.before_setting, 0
        self._sell(units)
        self.settings += 1
        return await super().set_stock(settings, idempotency_key)

    def _sell(self, units: int) -> None:
        if units:
            self.buy(units)


@pytest.fixture
async def shop(db: Database) -> tuple[House, Blind]:
    blind = Blind()
    house = House(db, 12, shop=told())
    blind.shelf.stock(MUG, HERE, 20)
    house.replace("shop", blind)
    blind.buy = lambda units: house.buy(units, "5001")
    await house.read_erp()
    return house, blind


async def test_a_number_that_is_read_back_is_done(shop: tuple[House, Blind]) -> None:
    house, _ = shop
    assert (await house.push()).skus(SettingState.DONE) == {MUG}
    assert house.shown() == 12
    assert (await house.push()).outcomes == ()


async def test_what_was_sold_since_the_decision_is_not_overwritten(shop: tuple[House, Blind]) -> None:
    house, blind = shop
    blind.before_reading = [0, 2]
    assert (await house.push()).skus(SettingState.STALE) == {MUG}
    assert (house.shown(), blind.settings) == (18, 0)
    assert (await house.push()).skus(SettingState.DONE) == {MUG}
    assert house.shown() == 10


async def test_what_was_sold_just_before_the_setting_is_found_and_taken_off(
    shop: tuple[House, Blind],
) -> None:
    house, blind = shop
    blind.before_setting = 2
    assert (await house.push()).skus(SettingState.STALE) == {MUG}
    assert house.shown() == 12, "the storefront forgot what it had sold"
    assert (await house.push()).skus(SettingState.DONE) == {MUG}
    assert house.shown() == 10


async def test_a_sale_after_the_setting_leaves_nothing_wrong(shop: tuple[House, Blind]) -> None:
    house, blind = shop
    blind.before_reading = [0, 0, 3]
    assert (await house.push()).skus(SettingState.STALE) == {MUG}
    assert house.shown() == 9
    assert (await house.push()).outcomes == ()
