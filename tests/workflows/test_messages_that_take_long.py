"""What operators are told of a message that an order takes at once and carries out later, or that nobody takes."""

import pytest

from tests.order_builder import make_order
from tests.workflows.test_outage import connection_known
from tests.workflows.world import World
from web.desk.operations import NoAnswer, Taken, order_carried, update
from workflows.messages import Attention, CancelAsked

CANCEL = CancelAsked(actor="Ada", reason="the buyer called")
PATIENCE = 3.0


async def test_a_cancel_that_waits_for_the_erp_is_taken_and_done_later(world: World, external_id: str):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.unavailable("erp.*")
        await connection_known(world, "erp", away=True)
        answer = await update(world.client, order_carried(order.key), "cancel", CANCEL, patience=PATIENCE)
        assert isinstance(answer, Taken)
        assert not answer.done
        assert answer.waits_on == "erp"
        assert answer.waits_for == (await world.view(order.key)).waiting_for
        world.faults.lift()
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_what_no_worker_takes_is_told_so_and_may_still_be_taken(world: World, external_id: str):
    order = make_order(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
    with pytest.raises(NoAnswer) as told:
        await update(world.client, order_carried(order.key), "hold", CANCEL, patience=PATIENCE)
    assert "no worker is running" in str(told.value)
    assert "may still take it" in str(told.value)
    assert f"orderwright order show {order.key}" in str(told.value)
    assert "--no-wait" in str(told.value)
