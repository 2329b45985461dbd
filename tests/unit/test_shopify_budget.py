"""Requests to a shop are paced below its cost bucket."""

import asyncio
from datetime import timedelta

import pytest

from adapters.errors import RateLimited
from adapters.shopify.budget import CostBudget, Throttle, read_throttle


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def spend(budget: CostBudget, document: str) -> None:
    async with budget.spend(document, "read order"):
        pass


async def test_nothing_waits_before_the_shop_told_its_bucket() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    await spend(budget, "read_order")
    assert clock.now == 0


async def test_a_request_waits_until_the_bucket_holds_its_cost() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    budget.learn("read_order", Throttle(requested=360, available=60, restore_rate=100))
    await spend(budget, "read_order")
    assert clock.now == 3.0


async def test_points_of_requests_under_way_are_not_spent_twice() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    budget.learn("read_order", Throttle(requested=100, available=150, restore_rate=100))
    async with budget.spend("read_order", "read order"):
        assert clock.now == 0
        await spend(budget, "read_order")
        assert clock.now == 0.5


async def test_a_cheap_document_does_not_wait_for_a_dear_one() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    budget.learn("read_order", Throttle(requested=360, available=60, restore_rate=100))
    budget.learn("probe", Throttle(requested=5, available=60, restore_rate=100))
    await spend(budget, "probe")
    assert clock.now == 0


async def test_a_long_wait_is_left_to_temporal() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    budget.learn("read_order", Throttle(requested=360, available=60, restore_rate=10))
    with pytest.raises(RateLimited) as limited:
        await spend(budget, "read_order")
    assert limited.value.retry_after == timedelta(seconds=30)
    assert clock.now == 0


def test_an_answer_without_cost_tells_nothing() -> None:
    assert read_throttle({"data": {}}) is None
    assert read_throttle({"extensions": {"cost": {"requestedQueryCost": "many"}}}) is None


FULL = Throttle(requested=100, available=1000, restore_rate=100, maximum=1000)


def half_spent(**other: float) -> tuple[CostBudget, Clock]:
    """A bucket of 1,000 points, 550 of them left, that knows what each document costs."""
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    for document in ("list_stock", "read_order"):
        budget.learn(document, FULL.model_copy(update={"available": 550.0, **other}))
    return budget, clock


async def spend_below(budget: CostBudget, document: str = "list_stock") -> None:
    async with budget.spend(document, "list stock", leave=0.5):
        pass


async def test_a_request_that_can_wait_leaves_its_share_to_the_others() -> None:
    budget, clock = half_spent()
    async with budget.spend("read_order", "read order"):
        assert clock.now == 0
    await spend_below(budget)
    assert clock.now == pytest.approx(0.5)


async def test_orders_pass_stock_that_waits_and_make_it_wait_on() -> None:
    budget, clock = half_spent(available=250.0)
    passed: list[tuple[str, float]] = []

    async def stock() -> None:
        await spend_below(budget)
        passed.append(("stock", clock.now))

    async def order() -> None:
        await spend(budget, "read_order")
        passed.append(("order", clock.now))
        # what the shop tells then: this order's points are gone
        left = 150.0 + clock.now * 100
        budget.learn("read_order", FULL.model_copy(update={"available": left}))

    waiting = asyncio.create_task(stock())
    await asyncio.sleep(0)
    await order()
    await waiting
    # 100 for itself and 500 for others: 350 more than there were, and 100 more for the order in between
    assert [name for name, _ in passed] == ["order", "stock"]
    assert passed[1][1] >= 4.5 - 0.001


async def test_stock_goes_behind_orders_that_wait_for_points() -> None:
    clock = Clock()
    budget = CostBudget(now=clock, sleep=clock.sleep)
    # a bucket so small that an order waits while more than stock's share is there
    budget.learn("read_order", Throttle(requested=90, available=70, restore_rate=10, maximum=100))
    budget.learn("set_stock", Throttle(requested=1, available=70, restore_rate=10, maximum=100))
    passed: list[str] = []

    async def order() -> None:
        await spend(budget, "read_order")
        passed.append("order")

    waiting = asyncio.create_task(order())
    await asyncio.sleep(0)
    await spend_below(budget, "set_stock")
    passed.append("stock")
    await waiting
    assert passed == ["order", "stock"]


async def test_a_full_bucket_is_enough_for_whatever_fits_into_it() -> None:
    budget, clock = half_spent(requested=900.0)
    await spend_below(budget)
    assert clock.now == pytest.approx(4.5)


async def test_stock_that_would_wait_long_is_left_to_temporal() -> None:
    budget, _ = half_spent(restore_rate=4.0)
    with pytest.raises(RateLimited) as limited:
        await spend_below(budget)
    assert limited.value.retry_after == timedelta(seconds=12.5)
    await spend(budget, "read_order")


def test_what_the_bucket_holds_at_most_is_told_with_its_rate() -> None:
    status = {"maximumAvailable": 2000, "currentlyAvailable": 1990, "restoreRate": 100}
    told = {"extensions": {"cost": {"requestedQueryCost": 10, "throttleStatus": status}}}
    assert read_throttle(told) == Throttle(requested=10, available=1990, restore_rate=100, maximum=2000)
