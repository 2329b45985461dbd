"""The paths of orders of which something comes back for something else."""

from typing import Any, Final

from domain.order import Order, PaymentKind
from domain.return_rules import ExchangeRule, InspectionRule, ReturnRules
from domain.returns import Disposition
from tests.order_builder import make_payment
from tests.replay.paths import delivered, path
from tests.replay.return_paths import awaits_goods, half_shipped, page, until
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention, CancelAsked
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection

RULES: Final[dict[str, ReturnRules]] = {
    "exchange-that-leaves-at-once": ReturnRules(exchange_ships=ExchangeRule.AT_ONCE),
    "exchange-that-ends-with-rejected-goods": ReturnRules(inspection=InspectionRule.ASK),
}
"""Path -> how goods are taken back there; the others have the default."""
CHEAPER, DEARER = "SOCK-GRY", "JEAN-IND-32"


async def asked_for_instead(world: World, order: Order, instead: dict[str, int]) -> str:
    """The buyer asks for others; the id of the return."""
    asked = world.storefront.request_return(order.key.external_id, {"11": 1}, "too small", instead)
    await world.start(order, "returns/request")
    return_id = asked.returns[-1].return_id
    await until(world, order, return_id, awaits_goods)
    return return_id


async def in_the_erp(world: World, order: Order) -> None:
    """The new lines are there, and their parcel waits."""
    await world.until(order.key, lambda _: bool(world.erp.orders[order.key].exchanges))


async def ended(world: World, order: Order, return_id: str) -> Any:
    """The return is over."""
    return await page(world, order, return_id).result()


@path
async def exchange_sent_once_the_goods_are_back(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for_instead(world, order, {CHEAPER: 1})
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await ended(world, order, return_id)
    await in_the_erp(world, order)
    await delivered(world, handle, order.key)


@path
async def exchange_that_leaves_at_once(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for_instead(world, order, {CHEAPER: 1})
    await in_the_erp(world, order)
    world.erp.ship_all(order.key)
    await world.until(order.key, lambda view: len(view.lines) == 3 and not any(x.open for x in view.lines))
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await handle.result()


@path
async def exchange_that_the_buyer_has_to_pay(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for_instead(world, order, {DEARER: 1})
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await ended(world, order, return_id)
    await world.until(order.key, lambda view: view.attention is Attention.AWAITING_PAYMENT)
    told = world.storefront.orders[external_id]
    paid = make_payment(told.total - order.total, payment_id="77", kind=PaymentKind.SALE)
    world.storefront.replace(told.model_copy(update={"payments": (*told.payments, paid)}))
    await world.start(order, "orders/paid")
    await in_the_erp(world, order)
    await delivered(world, handle, order.key)


@path
async def exchange_that_ends_with_rejected_goods(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for_instead(world, order, {CHEAPER: 1})
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await until(world, order, return_id, lambda view: "inspect" in view.can_do and view.problem is not None)
    verdict = Inspection(actor="Ada", lines={"11": {Disposition.REJECT: 1}})
    await page(world, order, return_id).execute_update(ReturnWorkflow.inspect_update, verdict)
    await ended(world, order, return_id)
    await delivered(world, handle, order.key)


@path
async def exchange_that_became_dearer_beside_a_cancel(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for_instead(world, order, {CHEAPER: 1})
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await ended(world, order, return_id)
    await in_the_erp(world, order)
    told = world.storefront.orders[external_id]
    line, more = told.lines[-1], 1_000
    dearer = {
        "lines": (*told.lines[:-1], line.model_copy(update={"unit_price": line.unit_price + more})),
        "total": told.total + more,
        "presentment_total": told.presentment_total + more,
    }
    world.storefront.revise(told.model_copy(update=dearer))
    await world.start(order, "orders/edited")
    await world.until(order.key, lambda view: view.attention is Attention.AWAITING_PAYMENT)
    asked = CancelAsked(actor="Kim", lines={"11": 1})
    await handle.execute_update(OrderWorkflow.cancel_update, asked)
    await world.until_told(order.key, "Edit carried into")
    await world.until(order.key, lambda view: view.attention is Attention.AWAITING_PAYMENT)
    told = world.storefront.orders[external_id]
    paid = make_payment(more, payment_id="77", kind=PaymentKind.SALE)
    world.storefront.replace(told.model_copy(update={"payments": (*told.payments, paid)}))
    await world.start(order, "orders/paid")
    await world.until(order.key, lambda _: world.erp.orders[order.key].exchanges[0].total > more)
    await delivered(world, handle, order.key)
