"""Slots for activities that are given out only while their system answers: without one, nothing is polled for."""

import asyncio
from contextlib import suppress

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

from activities.gates import Gate


class GatedSlots(CustomSlotSupplier):
    """``count`` slots behind a gate. Make it in the event loop of the worker.

    While the gate is closed the worker asks Temporal for no task of its queue. What waits there is neither tried nor
    billed, and starts in order of its priority once the gate opens.
    """

    def __init__(self, gate: Gate, count: int) -> None:
        self._gate = gate
        self._free = asyncio.Semaphore(count)
        self._loop = asyncio.get_running_loop()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for a free slot, then for the gate."""
        del ctx
        await self._free.acquire()
        try:
            await self._gate.until_open()
        except asyncio.CancelledError:
            self._free.release()
            raise
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """None: only workflows of the same task queue start activities eagerly, and there are none."""
        del ctx
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing to note."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Give the slot back. Called from a thread of Temporal's core."""
        del ctx
        # The loop may have ended by the time the last slots come back.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._free.release)
