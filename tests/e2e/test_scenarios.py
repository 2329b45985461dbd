"""The scenario catalogue lived through, the ERP in memory and time skipped; and that a wrong end is seen."""

import json
from decimal import Decimal

import pytest

from sandbox.scenarios.catalogue import catalogue, named
from sandbox.scenarios.memory import memory_ground
from sandbox.scenarios.play import Player
from sandbox.scenarios.random_lives import RandomLives
from sandbox.scenarios.vocabulary import End, Scenario

PATIENCE = 150.0
SECONDS = 600
"""A busy machine takes its time; alone it is well below one minute."""


async def play(*scenarios: Scenario, patience: float = PATIENCE):
    async with memory_ground() as ground:
        player = Player(ground, patience=patience)
        try:
            return await player.play(scenarios)
        finally:
            player.close()


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
async def test_every_scenario_is_balanced():
    rows = await play(*catalogue())
    assert {row.name: row.differences for row in rows if not row.balanced} == {}
    assert [row.name for row in rows] == [scenario.name for scenario in catalogue()]


async def test_a_scenario_that_ends_otherwise_than_it_must_is_not_balanced():
    right = named("a customer cancels before the ERP has the order")
    holds = {"ends": End.CLOSED, "total": Decimal("42.89"), "captured": Decimal("42.89"), "shipped": 2}
    wrong = right.model_copy(update={"holds": right.holds.model_copy(update=holds | {"in_erp": True})})
    broken = json.loads(named("an operator cancels and is told that it is done").model_dump_json())
    broken["happens"][0] = {"act": "customer pays"}
    refused = Scenario.model_validate(broken | {"name": "paid twice"})
    canceled, paid_twice = await play(wrong, refused, patience=5)
    assert "ended canceled, and was to end closed" in canceled.differences
    assert "canceled at the store: must be False, is True" in canceled.differences
    assert "StoreRefused: nothing is due on #1002" in paid_twice.differences


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
async def test_lives_that_nobody_wrote_down_end_balanced():
    async with memory_ground() as ground:
        lives = RandomLives(ground, patience=PATIENCE)
        try:
            lived = await lives.live(range(1, 25), at_once=12)
        finally:
            lives.close()
    assert [(life.name, life.failures, life.causes, life.deeds) for life in lived if not life.held] == []
    assert sum(len(life.deeds) for life in lived) > 3 * len(lived)


async def test_a_life_that_does_not_end_is_a_finding():
    async with memory_ground() as ground:
        lives = RandomLives(ground, patience=1.0)
        await ground.take_down("erp")
        try:
            (life,) = await lives.live([1], at_once=1)
        finally:
            lives.close()
    assert not life.held
    assert any("not over after 1 s" in failure for failure in life.failures)
