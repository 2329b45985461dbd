"""Goods that come back for others: one return, new lines on the same order, the difference paid or given back once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.balance import prove
from domain.erp_order import ErpOrder
from domain.order import Order, PaymentKind, ReturnStatus
from domain.payment_rules import PaymentRules
from domain.return_rules import ExchangeRule, InspectionRule, ReturnRules
from domain.returns import Disposition
from sandbox.catalog import FEE_PRODUCT
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.returning import (
    WINDOW,
    closes_balanced,
    deliver,
    ended,
    goods,
    page,
    refunds,
    until,
    with_rules,
)
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

TEE, MUG, CAP, SOCK = "TEE-BLK-M", "MUG-LOGO", "CAP-BLK", "SOCK-GRY"


async def exchange(world: World, order: Order, units: dict[str, int], instead: dict[str, int]) -> str:
    """The buyer asks in the storefront for others; returns the id of the return."""
    asked = world.storefront.request_return(order.key.external_id, units, "too small", instead)
    await world.start(order, f"returns/request-{len(asked.returns)}")
    return asked.returns[-1].return_id


async def bring_back(world: World, order: Order, return_id: str, units: dict[str, int]) -> None:
    await until(world, order, return_id, "still to come")
    world.erp.receive_return(order.key, return_id, units)


async def ship_the_new_lines(world: World, order: Order) -> ErpOrder:
    """The ERP has the exchange; the warehouse sends it."""
    await world.until(order.key, lambda _view: bool(world.erp.orders[order.key].exchanges))
    world.erp.ship_all(order.key)
    return world.erp.orders[order.key]


def taken(world: World, order: Order) -> Decimal:
    told = world.storefront.orders[order.key.external_id]
    return sum((p.amount for p in told.payments if p.kind is PaymentKind.CAPTURE), Decimal(0))


async def test_an_equal_exchange_moves_no_money(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"12": 2}, {MUG: 2})
        await bring_back(world, order, return_id, {"12": 2})
        result = await ended(world, order, return_id)
        assert f"In exchange: 2 units of {MUG}." in result.text
        held = await ship_the_new_lines(world, order)
        await world.until(order.key, lambda v: v.attention is Attention.DELIVERED)
        assert "Exchange entered in the ERP" in await world.story(order.key)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == 0
    assert taken(world, order) == order.total
    told = world.storefront.orders[external_id]
    assert told.total == order.total
    assert told.returns[0].status is ReturnStatus.CLOSED
    assert [each.return_id for each in held.exchanges] == [return_id]
    assert [(x.current, x.sku) for x in told.lines] == [(3, TEE), (0, MUG), (2, MUG)]


async def test_of_a_cheaper_exchange_the_difference_is_given_back_once(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        for call in ("release_exchange", "credit_return", "refund_order", "add_exchange"):
            world.faults.lose_answer(call, nth=1)
        return_id = await exchange(world, order, {"11": 1}, {SOCK: 1})
        await bring_back(world, order, return_id, {"11": 1})
        await ended(world, order, return_id)
        await ship_the_new_lines(world, order)
        await closes_balanced(world, order, server)
    told = world.storefront.orders[external_id]
    assert refunds(world, order) == order.total - told.total > 0
    assert len(world.storefront.refunds) == 1
    assert len(told.lines) == 3
    assert len(world.erp.orders[order.key].exchanges) == 1


async def test_a_dearer_exchange_leaves_once_the_buyer_has_paid_the_difference(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"12": 1}, {TEE: 2})
        await bring_back(world, order, return_id, {"12": 1})
        await ended(world, order, return_id)
        view = await world.until(order.key, lambda v: v.attention is Attention.AWAITING_PAYMENT)
        told = world.storefront.orders[external_id]
        missing = told.total - order.total
        assert missing > 0
        assert f"the buyer to pay USD {missing}" in view.waiting_for
        assert world.erp.orders[order.key].exchanges == ()
        paid = make_payment(missing, payment_id="77", kind=PaymentKind.SALE)
        world.storefront.replace(told.model_copy(update={"payments": (*told.payments, paid)}))
        await world.start(order, "orders/paid")
        await ship_the_new_lines(world, order)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == 0


async def test_what_is_authorized_still_pays_for_a_dearer_exchange(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    more = make_payment("200.00", payment_id="78")
    order = order.model_copy(update={"payments": (*order.payments, more)})
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"12": 1}, {TEE: 2})
        await bring_back(world, order, return_id, {"12": 1})
        await ended(world, order, return_id)
        await ship_the_new_lines(world, order)
        await closes_balanced(world, order, server)
    assert taken(world, order) == world.storefront.orders[external_id].total > order.total


async def test_rejected_goods_end_the_exchange_with_them(world: World, server, external_id):
    with_rules(world, WINDOW.model_copy(update={"inspection": InspectionRule.ASK}))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"11": 1}, {CAP: 1})
        await bring_back(world, order, return_id, {"11": 1})
        await until(world, order, return_id, "Nobody has said yet")
        verdict = Inspection(actor="Ada", lines={"11": {Disposition.REJECT: 1}})
        await page(world, order, return_id).execute_update(ReturnWorkflow.inspect_update, verdict)
        assert "The exchange is canceled: 1 unit of CAP-BLK." in (await ended(world, order, return_id)).text
        await closes_balanced(world, order, server)
    told = world.storefront.orders[external_id]
    assert told.total == order.total
    assert told.returns[0].status is ReturnStatus.CANCELED
    assert len(told.lines) == 2
    assert refunds(world, order) == 0


async def test_goods_that_never_come_end_the_exchange_too(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, reminder_days=10, expire_days=25))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"11": 1}, {TEE: 1})
        await until(world, order, return_id, "still to come")
        await server.fast_forward(page(world, order, return_id), timedelta(days=26))
        assert "The exchange is canceled" in (await ended(world, order, return_id)).text
        await closes_balanced(world, order, server)
    assert len(world.storefront.orders[external_id].lines) == 2


async def test_by_the_mapping_the_new_goods_leave_before_the_old_ones_are_back(
    world: World, server, external_id
):
    with_rules(world, WINDOW.model_copy(update={"exchange_ships": ExchangeRule.AT_ONCE}))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"11": 1}, {SOCK: 1})
        await until(world, order, return_id, "still to come")
        await ship_the_new_lines(world, order)
        view = await world.until(order.key, lambda v: all(not line.open for line in v.lines))
        assert len(view.lines) == 3
        assert refunds(world, order) == 0
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == order.total - world.storefront.orders[external_id].total > 0


async def test_what_was_sent_for_goods_that_never_come_is_the_buyers_to_pay(
    world: World, server, external_id
):
    rules = {"exchange_ships": ExchangeRule.AT_ONCE, "expire_days": 25}
    with_rules(world, WINDOW.model_copy(update=rules))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"11": 1}, {SOCK: 1})
        await until(world, order, return_id, "still to come")
        await ship_the_new_lines(world, order)
        await server.fast_forward(page(world, order, return_id), timedelta(days=26))
        assert "theirs to pay" in (await ended(world, order, return_id)).text
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert "money taken" in view.problem.reason


async def test_the_fee_is_taken_off_the_money_that_goes_back_and_off_no_other(
    world: World, server, external_id
):
    rules = {"fee_percent": Decimal(50), "fee_product": FEE_PRODUCT}
    with_rules(world, WINDOW.model_copy(update=rules))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"12": 2}, {MUG: 2})
        await bring_back(world, order, return_id, {"12": 2})
        await ended(world, order, return_id)
        await ship_the_new_lines(world, order)
        again = await exchange(world, order, {"11": 2}, {SOCK: 1})
        await bring_back(world, order, again, {"11": 2})
        await ended(world, order, again)
        await world.until(order.key, lambda _: len(world.erp.orders[order.key].exchanges) == 2)
        world.erp.ship_all(order.key)
        await closes_balanced(world, order, server)
    fees = [each.fee for each in world.erp.orders[order.key].returns]
    assert fees[0] == 0 < fees[1]


async def test_an_operator_exchanges_what_the_storefront_then_keeps(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    asked = ReturnAsked(actor="Ada", reason="the buyer called", lines={TEE: 2}, exchange={CAP: 1})
    async with world.working():
        await deliver(world, order)
        world.faults.lose_answer("open_exchange", nth=1)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.return_update, asked)
        await world.until(order.key, lambda v: bool(v.returns))
        return_id, *others = world.storefront.orders[external_id].returns
        assert others == []
        await bring_back(world, order, return_id.return_id, {"11": 2})
        await ended(world, order, return_id.return_id)
        await ship_the_new_lines(world, order)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == order.total - world.storefront.orders[external_id].total > 0


@pytest.mark.parametrize("call", ["open_exchange", "release_exchange", "add_exchange"])
async def test_an_exchange_that_a_system_refused_goes_on_after_a_resubmit(
    world: World, server, external_id, call
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    asked = ReturnAsked(actor="Ada", reason="called", lines={TEE: 1}, exchange={SOCK: 1}, without_goods=True)
    async with world.working():
        await deliver(world, order)
        world.faults.reject(call, "shut for stocktaking", "shut_for_stocktaking", nth=1)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.return_update, asked)
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert view.problem.cause == "shut_for_stocktaking"
        await handle.signal("resubmit")
        await ship_the_new_lines(world, order)
        await closes_balanced(world, order, server)
    assert len(world.storefront.orders[external_id].returns) == 1


async def test_a_replacement_leaves_though_the_buyer_keeps_the_broken_one(world: World, server, external_id):
    with_rules(world, WINDOW.model_copy(update={"exchange_waives": Decimal("0.05")}))
    order = goods(external_id)
    asked = ReturnAsked(actor="Ada", reason="broken", lines={MUG: 1}, exchange={MUG: 1}, without_goods=True)
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.return_update, asked)
        await ship_the_new_lines(world, order)
        await world.until(order.key, lambda v: v.attention is Attention.DELIVERED)
    told, held = world.storefront.orders[external_id], world.erp.orders[order.key]
    assert refunds(world, order) == 0
    proof = prove(told, held, world.mapping)
    assert proof.report.balanced
    assert "(waived for an exchange)" in " ".join(e.sentence("USD") for e in proof.equations)
    assert not prove(told, held, sandbox_mapping()).report.balanced


async def test_what_the_storefront_does_not_sell_is_refused_and_the_order_goes_on(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    asked = ReturnAsked(actor="Ada", reason="called", lines={TEE: 1}, exchange={"NO-SUCH": 1})
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(
                OrderWorkflow.return_update, asked.model_copy(update={"lines": {TEE: 9}})
            )
        assert "only 3 units" in str(refused.value.cause)
        await handle.execute_update(OrderWorkflow.return_update, asked)
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert view.problem.cause == "variant_unknown:NO-SUCH"
        dropped = f"Ada: Asked to exchange 1 unit of {TEE}; it was refused, and is not tried again"
        assert dropped in await world.story(order.key)
        await handle.signal("resubmit")
        await closes_balanced(world, order, server)


async def test_unpaid_exchanges_leave_where_the_mapping_says_so(world: World, server, external_id):
    mapping = sandbox_mapping().model_copy(
        update={"payments": PaymentRules(ship_unpaid=True), "returns": WINDOW}
    )
    world.replace_mapping(mapping)
    order = make_order(external_id, lines=[make_line("11", CAP, 1)], placement={"11": {"101": 1}})
    async with world.working():
        await deliver(world, order)
        return_id = await exchange(world, order, {"11": 1}, {TEE: 2})
        await bring_back(world, order, return_id, {"11": 1})
        await ended(world, order, return_id)
        await ship_the_new_lines(world, order)
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert "money taken" in view.problem.reason
