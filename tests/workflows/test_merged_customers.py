"""An order whose customer changes at the storefront keeps the party that the ERP has."""

from domain.order import Customer
from tests.workflows.test_edits import edit, tees_and_mugs
from tests.workflows.world import World
from workflows.messages import Attention

OTHER = Customer(external_id="7002", name="Ada King", email="king@example.com")
TOLD = "Shows another customer now; the ERP keeps the party that it has."


def repoint(world: World, external_id: str, customer: Customer) -> None:
    order = world.storefront.orders[external_id]
    world.storefront.replace(order.model_copy(update={"customer": customer}))


def party(world: World, order) -> str:
    return world.erp.entered[order.key].party.reference


async def test_a_merged_customer_stays_one_party_through_edits(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        assert party(world, order) == "shop:customer:7001"
        repoint(world, external_id, OTHER)
        await edit(world, order, "11", 2)
        await world.until_told(order.key, "Edit carried into")
        await edit(world, order, "11", 1)
        await world.until(order.key, lambda v: {x.line_id: x.open for x in v.lines} == {"11": 1, "12": 2})
        story = await world.story(order.key)
        assert story.count(TOLD) == 1
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert world.erp.entered[order.key].lines[0].quantity == 1
    assert party(world, order) == "shop:customer:7001"


async def test_one_that_was_merged_before_it_was_entered_is_of_the_customer_it_has_then(
    world: World, external_id
):
    order = tees_and_mugs(external_id)
    async with world.working():
        world.faults.unavailable("submit_order", nth=1)
        world.storefront.place(order)
        repoint(world, external_id, OTHER)
        await world.start(order)
        await world.until_in_erp(order.key)
    assert party(world, order) == "shop:customer:7002"
