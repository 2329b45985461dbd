"""Returns on the wire to the ERP: one order for all faults of a call, and a return of a unit for each of them.

Tryton takes some seconds over an order, and little over a return. An operator begins each return, so that the store has
nothing to do with it before the money goes back.
"""

import asyncio

from temporalio.client import Client, WorkflowUpdateStage
from temporalio.service import RPCError

from domain.order import OrderKey
from sandbox.store.client import AsyncStoreControl
from sandbox.store.requests import PlaceOrder
from tests.chaos.lives import LOOK_SECONDS, ErpPeople, Life, Lives
from workflows.messages import Attention, OperatorMessage, OrderView, ReturnAsked
from workflows.return_messages import ReturnView, return_workflow_id

SKU = "TEE-BLK-S"
UNITS = 40
"""In each of two parcels; one is enough for a unit a fault."""
PARCELS = 2
LONGEST = 120.0
"""Seconds that a return may take."""
TWO_LARGE_PARCELS = PlaceOrder.model_validate(
    {
        "lines": [
            {
                "sku": SKU,
                "quantity": 2 * UNITS,
                "split": [{"location": 101, "quantity": UNITS}, {"location": 102, "quantity": UNITS}],
            }
        ],
        "taxes": ["STATE-6.25", "CITY-1.5"],
    }
)


class ManyReturns:
    """One order. Of its two parcels the second waits until all returns are over, so that it stays open for them."""

    def __init__(self, client: Client, control: AsyncStoreControl, people: ErpPeople, key: OrderKey) -> None:
        self._client, self._control, self._people = client, control, people
        self.key = key
        self._order = client.get_workflow_handle(key.workflow_id)

    async def begin(self, lives: Lives) -> None:
        """The order is entered, and one of its parcels has left and was told."""
        await lives.start(self.key)
        async with asyncio.timeout(LONGEST):
            while not (await self._control.read_order(self.key.external_id)).fulfillments:
                if await self._people.waiting(self.key) == PARCELS:
                    await self._people.ship([self.key])
                await asyncio.sleep(LOOK_SECONDS)

    async def give_back_one(self, *, sent: bool) -> Life:
        """A return from the wish to its end, with the problems on its way; not ``sent``: an operator ends it again."""
        async with asyncio.timeout(LONGEST):
            return await self._give_back_one(sent=sent)

    async def end(self) -> Life:
        """The rest leaves and the order closes; everything is there once."""
        life = Life(self.key, canceled=False)
        async with asyncio.timeout(LONGEST):
            ending = asyncio.create_task(self._order.result())
            while not ending.done():
                if await self._people.waiting(self.key):
                    await self._people.ship([self.key])
                await asyncio.wait({ending}, timeout=LOOK_SECONDS)
        told = await self._control.read_order(self.key.external_id)
        await self._people.assert_booked(life, told)
        assert (told.fulfillments, told.open_units) == (PARCELS, 0)
        assert told.captured == told.total == told.original_total - told.refunded
        assert (await self._view()).attention is Attention.CLOSED
        return life

    async def _give_back_one(self, *, sent: bool) -> Life:
        before = (await self._view()).returns
        asked = ReturnAsked(actor="Ada", reason="does not fit", lines={SKU: 1})
        await self._order.execute_update("return", asked)
        while not (new := (await self._view()).returns.keys() - before.keys()):  # noqa: ASYNC110  a worker begins it
            await asyncio.sleep(LOOK_SECONDS)
        (return_id,) = new
        life = Life(self.key, canceled=False)
        while not (told := await self._return(return_id)) or not told.ended:
            if told is not None and told.problem is not None and told.problem.in_case:
                if not life.stops or life.stops[-1].since != told.problem.since:
                    life.stops.append(told.problem)
                    await self._say(return_id, "resubmit")
            elif sent:
                await self._people.take_in(self.key, return_id)
            elif told is not None and "end" in told.can_do and "expects the goods" in told.sentence:
                await self._say(return_id, "end")
            await asyncio.sleep(LOOK_SECONDS)
        while not (await self._view()).returns[return_id].ended:  # noqa: ASYNC110  it tells its order
            await asyncio.sleep(LOOK_SECONDS)
        return life

    async def _view(self) -> OrderView:
        return await self._order.query("status", result_type=OrderView)

    async def _return(self, return_id: str) -> ReturnView | None:
        carrier = self._client.get_workflow_handle(return_workflow_id(self.key, return_id))
        try:
            return await carrier.query("status", result_type=ReturnView)
        except RPCError:
            return None  # it begins in this moment

    async def _say(self, return_id: str, word: str) -> None:
        carrier = self._client.get_workflow_handle(return_workflow_id(self.key, return_id))
        message = OperatorMessage(actor="Ada", reason="keeps it")
        await carrier.start_update(word, message, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
