"""Problems of one cause are one case; solved once, all its orders go on, and nobody else has waited for them."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from adapters.memory.erp import MemoryErp
from domain.case_guides import CaseAct
from domain.cases import CaseState
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder
from domain.order import Order
from store.audit import Audit
from store.cases import CaseDetail, Cases, CaseSummary
from store.order_view import OrderViews
from tests.order_builder import make_line, make_order, make_payment, make_shipping, sandbox_mapping
from tests.workflows.world import World
from web.desk.cases import ActDone, Decision, Solver
from workflows.messages import Attention, OperatorMessage
from workflows.order import OrderWorkflow


async def until_case(world: World, what: Callable[[CaseSummary], bool]) -> CaseSummary:
    """Wait for a case of this kind, resolved ones included."""
    for _ in range(300):
        for case in Cases(world.database).list(None):
            if what(case):
                return case
        await asyncio.sleep(0.1)
    raise AssertionError([(c.id, c.cause, c.state, c.waiting) for c in Cases(world.database).list(None)])


async def until_waiting(world: World, cause: str, orders: int) -> CaseDetail:
    case = await until_case(world, lambda c: c.cause.startswith(cause) and c.waiting == orders)
    return detail(world, case.id)


def detail(world: World, case_id: int) -> CaseDetail:
    found = Cases(world.database).get(case_id)
    assert found is not None
    return found


async def until_resolved(world: World, case_id: int) -> CaseSummary:
    return await until_case(world, lambda c: c.id == case_id and c.state is CaseState.RESOLVED)


async def solve(world: World, case: CaseDetail, act: CaseAct, value: str = "") -> ActDone:
    solver = Solver(world.database, {"shop": world.mapping})
    decision = Decision(act=act, actor="Ada", reason="reviewed", value=value)
    return await solver.resolve(world.client, case, decision)


def ids(external_id: str, count: int) -> list[str]:
    return [f"{external_id}{number:03d}" for number in range(count)]


def strange(external_id: str, sku: str = "ABC-1") -> Order:
    return make_order(external_id, lines=[make_line("11", sku, 1)])


async def finished(world: World, orders: list[Order]) -> None:
    """Ship what came into the ERP, until all are closed."""
    for order in orders:
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
    for order in orders:
        result = await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()
        assert result.outcome is Attention.CLOSED, (order.key, result)


async def test_forty_orders_of_one_unknown_sku_are_one_case_that_one_mapping_releases(
    world: World, external_id: str
) -> None:
    world.replace_erp(MemoryErp(products={"TEE-BLK-M"}, faults=world.faults))
    orders = [strange(number) for number in ids(external_id, 40)]
    async with world.working():
        for order in orders:
            await world.place(order)
        case = await until_waiting(world, "product_unknown:erp:ABC-1", 40)
        assert len(Cases(world.database).list()) == 1
        assert [(r.currency, r.amount) for r in case.summary.money_at_risk] == [
            ("USD", sum((order.total for order in orders), Decimal(0)))
        ]
        done = await solve(world, case, CaseAct.MAP, "TEE-BLK-M")
        assert (len(done.told), done.not_told, done.rules) == (40, (), ("[skus] ABC-1 = TEE-BLK-M",))
        again = await solve(world, case, CaseAct.MAP, "TEE-BLK-M")
        assert again.rules == ()
        resolved = await until_resolved(world, case.summary.id)
        await finished(world, orders)
    assert (resolved.resolved_by, resolved.waiting) == ("Ada", 0)
    assert [act.act for act in detail(world, case.summary.id).tried] == ["map"]
    assert len(world.erp.orders) == 40
    assert Cases(world.database).list() == ()


async def test_a_retry_that_does_not_help_leaves_the_case_open_and_a_second_one_is_heard(
    world: World, external_id: str
) -> None:
    world.erp.close_period()
    order = make_order(external_id)
    async with world.working():
        await world.place(order)
        case = await until_waiting(world, "period_closed:erp", 1)
        await solve(world, case, CaseAct.RETRY)
        again = await until_case(world, lambda c: detail(world, c.id).orders[0].reports == 2)
        assert (again.id, again.state) == (case.summary.id, CaseState.OPEN)
        world.erp.open_period()
        await solve(world, detail(world, case.summary.id), CaseAct.RETRY)
        await until_resolved(world, case.summary.id)
        await finished(world, [order])
    assert len(Cases(world.database).list(None)) == 1


async def test_twelve_mixed_causes_are_each_solved_once_and_healthy_orders_do_not_wait_for_them(
    world: World, external_id: str
) -> None:
    """Each trouble holds two orders; the healthy ones close while all the others still wait."""
    known = {"TEE-BLK-M", "MUG-LOGO", "ADJUSTMENT", "SHIPPING", "RARE"}
    empty = {("WH-EAST", "RARE"): 0}
    world.replace_erp(MemoryErp(products=known, parties={"C-GOLD"}, stock=empty, faults=world.faults))
    numbers = iter(ids(external_id, 40))

    def two(make: Callable[[str], Order]) -> list[Order]:
        return [make(next(numbers)) for _ in range(2)]

    def off(number: str) -> Order:
        order = make_order(number)
        return make_order(
            number, total=order.total + Decimal("0.01"), total_tax=order.total_tax + Decimal("0.01")
        )

    def company(number: str, company_id: str) -> Order:
        order = make_order(number)
        buyer = order.customer.model_copy(update={"company_id": company_id, "company_name": "Gold"})
        return order.model_copy(update={"customer": buyer})

    troubled = {
        "product_unknown:erp:ABC-1": (two(lambda n: strange(n, "ABC-1")), CaseAct.MAP, "MUG-LOGO"),
        "product_unknown:erp:ABC-2": (two(lambda n: strange(n, "ABC-2")), CaseAct.RETRY, ""),
        "unmapped:locations:109": (
            two(lambda n: make_order(n, placement={"11": {"109": 2}})),
            CaseAct.MAP,
            "WH-SOUTH",
        ),
        "unmapped:shipping_services:pigeon": (
            two(lambda n: make_order(n, shipping=[make_shipping(code="pigeon")])),
            CaseAct.MAP,
            "UPS",
        ),
        "unmapped:companies:309": (two(lambda n: company(n, "309")), CaseAct.MAP, "C-GOLD"),
        "party_unknown:erp:C-WHOLESALE": (two(lambda n: company(n, "301")), CaseAct.MAP, "C-GOLD"),
        "unmapped:taxes:Beach Tax 0.05": (
            two(lambda n: make_order(n, lines=[make_line(tax_rates=(("Beach Tax", Decimal("0.05")),))])),
            CaseAct.MAP,
            "BEACH-5",
        ),
        "amounts_differ:order": (two(off), CaseAct.ACCEPT, ""),
        "unmapped:payment_methods:paypal": (
            two(lambda n: make_order(n, payments=(make_payment(make_order().total, gateway="paypal"),))),
            CaseAct.MAP,
            "PayPal",
        ),
        "out_of_stock": (two(lambda n: strange(n, "RARE")), CaseAct.RETRY, ""),
        "no_location": (two(lambda n: make_order(n, location_plans=())), CaseAct.CANCEL, ""),
        "sku_missing:Something": (
            two(lambda n: make_order(n, lines=[make_line(sku=None)])),
            CaseAct.CANCEL,
            "",
        ),
    }
    healthy = [make_order(number) for number in ids(f"{external_id}9", 4)]
    waiting = [order for orders, _, _ in troubled.values() for order in orders]
    assert len(troubled) == 12
    async with world.working():
        for order in (*waiting, *healthy):
            await world.place(order)
        await finished(world, healthy)
        cases = {cause: await until_waiting(world, cause, 2) for cause in troubled}
        assert len(Cases(world.database).list()) == len(troubled)
        assert world.erp.products is not None
        world.erp.products.add("ABC-2")
        world.erp.receive("WH-EAST", "RARE", 100)
        for cause, (_, act, value) in troubled.items():
            done = await solve(world, cases[cause], act, value)
            assert (len(done.told), done.not_told) == (2, ())
        for case in cases.values():
            await until_resolved(world, case.summary.id)
        entered = [o for orders, act, _ in troubled.values() if act is not CaseAct.CANCEL for o in orders]
        await finished(world, entered)
        for order in (*troubled["no_location"][0], *troubled["sku_missing:Something"][0]):
            handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
            assert (await handle.result()).outcome is Attention.CANCELED
    assert Cases(world.database).list() == ()
    assert len(Cases(world.database).list(None)) == len(troubled)
    for order in (*entered, *healthy):
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.erp_total == row.captured == order.total


async def test_a_carrier_that_is_mapped_late_is_used_for_an_order_that_is_in_the_erp(
    world: World, external_id: str
) -> None:
    world.replace_mapping(sandbox_mapping(carriers={"DHL": "DHL Express"}))
    order = make_order(external_id, shipping=(make_shipping(),))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        case = await until_waiting(world, "unmapped:carriers:UPS", 1)
        await solve(world, case, CaseAct.MAP, "UPS Ground")
        assert (await handle.result()).outcome is Attention.CLOSED
    (told,) = (await world.storefront.read_order(external_id)).fulfillments
    assert told.tracking_number
    calls = [call for call in world.storefront.calls if call.operation == "create_fulfillment"]
    assert len(calls) == 1
    assert (await until_resolved(world, case.summary.id)).resolved_by == "Ada"


@pytest.mark.parametrize("amount", ["0.01", "-0.01"])
async def test_a_cent_that_was_accepted_is_entered_on_its_own_line_and_both_totals_agree(
    world: World, external_id: str, amount: str
) -> None:
    added_up = make_order(external_id)
    order = make_order(
        external_id, total=added_up.total + Decimal(amount), total_tax=added_up.total_tax + Decimal(amount)
    )
    async with world.working():
        handle = await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert "accept" in stopped.can_do
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(OrderWorkflow.accept_update, OperatorMessage(actor="Ada"))
        assert "say why" in str(refused.value.cause)
        await handle.execute_update(
            OrderWorkflow.accept_update, OperatorMessage(actor="Ada", reason="a cent of rounding")
        )
        await finished(world, [order])
        story = await world.story(order.key)
        (accepted,) = [line for line in story.splitlines() if "Ada: Accepted (a cent of rounding):" in line]
        assert "difference USD" in accepted
        assert "resubmit" not in accepted
        # Read again after that, it was the same order.
        assert story.count(f"storefront: Order {order.number} ") == 1
    held = world.erp.orders[order.key]
    assert held.total == order.total
    assert [line.product for line in held.lines if line.line_id == "accepted-difference"] == ["ADJUSTMENT"]
    assert (await world.storefront.read_order(external_id)).captured == order.total


async def test_an_unbalanced_order_closes_with_what_a_person_accepted_and_stops_again_for_anything_else(
    world: World, external_id: str
) -> None:
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        held = world.erp.orders[order.key]
        world.erp.keep(held.model_copy(update={"total": held.total + 1}))
        world.erp.ship_all(order.key)
        case = await until_waiting(world, "unbalanced:total", 1)
        # The case is there a moment before the order knows what it stopped at.
        await world.until_stopped(order.key)
        held = world.erp.orders[order.key]
        world.erp.keep(held.model_copy(update={"total": held.total + 1}))
        await solve(world, case, CaseAct.ACCEPT)
        again = await until_case(world, lambda c: detail(world, c.id).orders[0].reports == 2)
        assert again.id == case.summary.id
        assert "difference USD -2.00" in detail(world, again.id).orders[0].reason
        await world.until(order.key, lambda v: v.problem is not None and "USD -2.00" in v.problem.reason)
        await solve(world, detail(world, again.id), CaseAct.ACCEPT)
        result = await handle.result()
    assert result.outcome is Attention.CLOSED
    assert result.text == "Delivered and closed; what still differs was accepted by a person."
    acts = [act.text for act in Audit(world.database).for_order(order.key)]
    assert any("with what Ada (reviewed) accepted: total: store" in text for text in acts)
    assert (await until_resolved(world, case.summary.id)).resolved_by == "Ada"


async def test_accept_is_refused_where_nothing_differs(world: World, external_id: str) -> None:
    world.erp.close_period()
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert "accept" not in stopped.can_do
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(
                OrderWorkflow.accept_update, OperatorMessage(actor="Ada", reason="looks fine")
            )
        assert "no difference that could stay" in str(refused.value.cause)
        await handle.signal("accept", {"actor": "Ada", "reason": "looks fine"})
        await world.until_told(order.key, "Asked to accept; refused")
        assert (await world.view(order.key)).attention is Attention.NEEDS_ATTENTION


async def test_what_the_workflow_itself_finds_is_in_a_case_though_every_system_is_away(
    world: World, external_id: str
) -> None:
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.unavailable("*")
        world.erp.unreadable[order.key] = "line 11 has no product"
        await handle.signal("erp_unreadable", {"reason": "line 11 has no product"})
        await until_waiting(world, "erp_unreadable", 1)


async def test_what_is_found_again_after_a_resubmit_stays_the_same_case(
    world: World, external_id: str
) -> None:
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.cancel_by_staff(order.key)
        case = await until_waiting(world, "canceled_in_erp", 1)
        await handle.signal("resubmit")
        await until_case(world, lambda c: detail(world, c.id).orders[0].reports == 2)
        assert [c.id for c in Cases(world.database).list(None)] == [case.summary.id]
        await solve(world, detail(world, case.summary.id), CaseAct.CANCEL)
        assert (await handle.result()).outcome is Attention.CANCELED
        await until_resolved(world, case.summary.id)
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_an_act_that_comes_too_late_leaves_an_order_alone_that_went_on(
    world: World, external_id: str
) -> None:
    world.erp.close_period()
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        case = await until_waiting(world, "period_closed", 1)
        world.erp.open_period()
        await handle.signal("resubmit")
        await world.until_in_erp(order.key)
        done = await solve(world, case, CaseAct.CANCEL)
        assert len(done.told) == 1
        await finished(world, [order])
    assert world.erp.orders[order.key].state is ErpOrderState.DONE


async def test_an_order_that_nobody_carries_is_named_as_not_told(world: World, external_id: str) -> None:
    world.erp.close_period()
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        case = await until_waiting(world, "period_closed", 1)
        await handle.terminate("somebody did")
        done = await solve(world, case, CaseAct.RETRY)
    assert [(failed.key, "no order" in failed.reason) for failed in done.not_told] == [(order.key, True)]
    assert detail(world, case.summary.id).summary.state is CaseState.OPEN


async def test_a_click_in_the_moment_before_the_order_hears_of_its_refusal_is_not_lost(
    world: World, external_id: str
) -> None:
    """The case is written by the activity that was refused; the order hears of it a little later."""
    order, refused, go_on = make_order(external_id), asyncio.Event(), asyncio.Event()

    class SlowErp(MemoryErp):
        async def submit_order(self, order: SalesOrder) -> ErpOrder:
            try:
                return await super().submit_order(order)
            finally:
                refused.set()
                await go_on.wait()

    world.replace_erp(SlowErp())
    world.erp.close_period()
    async with world.working():
        handle = await world.place(order)
        await refused.wait()
        world.erp.open_period()
        clicked = OperatorMessage(message_id="early", actor="Ada", cause="period_closed:erp:2026-03")
        await handle.signal(OrderWorkflow.resubmit_signal, clicked)
        go_on.set()
        await finished(world, [order])
        assert "Ada: Asked to go on" in await world.story(order.key)
