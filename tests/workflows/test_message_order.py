"""Messages that cross, come late or come twice: whatever their order, the order ends the same."""

import asyncio
from itertools import permutations

from activities.contracts import ERP_CHANGED
from domain.erp_order import ErpOrder
from domain.order import Order
from tests.order_builder import make_line, make_order
from tests.workflows.world import FEED_INTERVAL, World
from workers.worker import workers
from workflows.messages import STOREFRONT_CHANGED, Attention, StorefrontChanged
from workflows.order import OrderWorkflow

SHIPMENTS = (("WH-EAST", {"11": 1}), ("WH-WEST", {"12": 2}), ("WH-EAST", {"11": 2}))


def order_of_three_parcels(external_id: str) -> Order:
    return make_order(
        external_id,
        lines=(make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=2)),
        placement={"11": {"101": 3}, "12": {"102": 2}},
    )


async def shipped_unseen(world: World, order: Order) -> list[ErpOrder]:
    """Ship everything while nobody follows the feed; what the feed would have told after each parcel."""
    await world.place(order)
    await world.until_in_erp(order.key)
    told = []
    for warehouse, units in SHIPMENTS:
        world.erp.ship(order.key, warehouse, units)
        told.append(world.erp.orders[order.key])
    return told


async def test_every_order_of_messages_ends_in_the_same_state(world: World, external_id):
    """All 24 orders of three parcels and a hint of the storefront, each message also sent a second time later."""
    async with workers(world.client, world.parts, feed_interval=FEED_INTERVAL):

        async def live(place: int, sequence: tuple[int, ...]) -> tuple[object, ...]:
            order = order_of_three_parcels(f"{external_id}{place:02d}")
            parcels = await shipped_unseen(world, order)
            hint = StorefrontChanged(message_id=f"hint-{place}", topic="refunds/create")
            messages = [(ERP_CHANGED, parcel) for parcel in parcels] + [(STOREFRONT_CHANGED, hint)]
            handle = world.client.get_workflow_handle(order.key.workflow_id)
            for number in sequence:
                await handle.signal(*messages[number])
            # The last parcel closes the order, maybe before a late copy comes: both are fine.
            for number in sequence:
                late = handle.signal(*messages[number])
                await asyncio.gather(late, return_exceptions=True)
            result = await world.client.get_workflow_handle_for(
                OrderWorkflow.run, order.key.workflow_id
            ).result()
            told = await world.storefront.read_order(order.key.external_id)
            lines = (await world.view(order.key)).lines
            return (
                result.outcome,
                [(line.shipped, line.open) for line in lines],
                sorted(sum(part.quantity for part in f.lines) for f in told.fulfillments),
                told.captured == order.total,
            )

        ends = await asyncio.gather(*(live(*numbered) for numbered in enumerate(permutations(range(4)))))
    assert len(ends) == 24
    expected = (Attention.CLOSED, [(3, 0), (2, 0)], [1, 2, 2], True)
    assert [end for end in ends if end != expected] == []
