"""Drills on an embedded stack: a small one that holds, one that does not, and the long ones under their marker."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.registry import every_drill
from sandbox.drills.run import run_drills
from sandbox.drills.shuffle import Shuffle
from sandbox.failures import HouseStuck
from sandbox.faults.rules import Fault, Rule
from sandbox.house import House

QUICK_SECONDS = 1500


@dataclass(frozen=True)
class Impatient:
    """Leaves a rule behind and waits in vain: the next drill must not suffer from it."""

    name = "impatient"
    summary = "somebody waits for what never comes"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        assert house.faults is not None
        await house.faults.set_rule("erp", Rule(fault=Fault.STATUS, status=503))
        raise HouseStuck("0 of 1 orders came")


@pytest.mark.long
async def test_a_failing_drill_is_reported_and_spoils_neither_the_next_nor_the_exit_status(tmp_path: Path):
    said: list[str] = []
    status = await run_drills([Impatient(), Shuffle(Wish(orders=4))], said.append, tmp_path)
    assert status == 1
    assert said[-1] == "drill: 1 of 2 held"
    (written,) = (tmp_path / "reports").glob("*.json")
    first, second = json.loads(written.read_text(encoding="utf-8"))["drills"]
    assert first["checks"][0]["seen"] == "HouseStuck: 0 of 1 orders came"
    assert second["held"], second["checks"]
    assert second["numbers"]["orders"] == 4


@pytest.mark.drill
@pytest.mark.tryton
@pytest.mark.timeout(QUICK_SECONDS)
async def test_every_drill_holds_in_its_quick_size(tmp_path: Path):
    said: list[str] = []
    assert await run_drills(every_drill(Wish(quick=True)), said.append, tmp_path) == 0, "\n".join(said)
