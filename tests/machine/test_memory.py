"""That a life leaves nothing behind: a share of tens of thousands would fill the memory of its process."""

import gc
from typing import Any
from weakref import WeakSet

from tests.machine.living import Share, live
from tests.machine.machine import OrderMachine
from tests.machine.world import World

_ALIVE: WeakSet[World] = WeakSet()


class Counted(World):
    """Is known as long as anything holds it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        _ALIVE.add(self)
        Counted.made += 1

    made = 0


def test_no_world_outlives_its_share():
    machine = type("Machine", (OrderMachine,), {"world_type": Counted})
    assert not live(Share(5, seed=1), machine).finding
    gc.collect()
    assert Counted.made >= 5
    assert not _ALIVE
