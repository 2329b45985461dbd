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
