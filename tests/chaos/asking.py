"""Calls that are about no order: the gate's ping, and what the doctor and who looks for missing orders ask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from activities.gates import Gate, Pace
from adapters.errors import AdapterError, Unavailable
from adapters.ports import Probe
from domain.listings import OrderName
from store.connections import Connections
from tests.chaos.calls import Call
from tests.chaos.lives import in_background
from tests.order_builder import PLACED_AT

PACE = Pace(look=0.1, probe=0.5)
LONGEST = 60.0
MOST_ASKED = 20
"""A busy system may also be late by itself."""
PAUSE = 0.2
AWAY = "away, probed again"
CARRIED_ON = "carried on"
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "probe": (),
    "list_orders": (PLACED_AT,),
    "list_changed": (PLACED_AT,),
    "find_orders": (["5001"],),
    "list_records": ("shop", PLACED_AT),
    "find_records": ("shop", [OrderName(external_id="5001", number="#5001")]),
}


async def pinged(
    name: str, ping: Callable[[], Awaitable[None]], struck: Callable[[], object], connections: Connections
) -> str:
    """A gate of its own: a call fails, the gate asks, and its question goes wrong too."""
    gate = Gate(name[:60], ping, connections, PACE)
    async with in_background(gate.watch):
        with pytest.raises(Unavailable) as caught:
            async with gate.passing("try"):
                raise Unavailable("anything", "try", "cannot be reached")
        away = gate.connection.away
        assert caught.value.this_call_alone is not away
        async with asyncio.timeout(LONGEST):
            await gate.until_open()
    await gate.close()
    assert struck(), "the fault never struck"
    return AWAY if away else "counts as answer"


async def asked(call: Call, port: Any, struck: Callable[[], object]) -> str:
    """Who asks is told what went wrong, and asks again until the answer is whole."""
    refused = 0
    while True:
        try:
            answer = await getattr(port, call.operation)(*ARGUMENTS[call.operation])
        except AdapterError:
            answer = None
        if answer is not None and (not isinstance(answer, Probe) or answer.ok):
            break
        refused += 1
        assert refused < MOST_ASKED, f"{call} does not answer whole again"
        await asyncio.sleep(PAUSE)
    assert struck(), "the fault never struck"
    return "said, asked again" if refused else CARRIED_ON
