"""The sweep on a real Temporal server: what one side lacks is repaired or named, and every order is counted once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from activities.contracts import SweepReport
from activities.sweep import SweepRules
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.completeness import Explanation, Finding, Patience, Repair
from domain.erp_order import ErpOrderState
from domain.order import Order, OrderKey, PaymentKind
from store.cases import Cases
from store.certificates import Certificates
from store.inbox import Inbox, Received
from tests.order_builder import make_line, make_order, make_payment
from tests.workflows.world import World
from workflows.messages import (
    ORDERS_QUEUE,
    Attention,
)
from workflows.order import OrderWorkflow
from workflows.standing import SweepStart
from workflows.sweep import SweepWorkflow

NO_GRACE = SweepRules(patience=Patience(grace=timedelta(0)))


@pytest.fixture(autouse=True)
def impatient(world: World):
    """Nothing counts as on its way because it is young, so that no test has to wait."""
    world.sweep_rules = NO_GRACE


def an_hour_old(external_id: str, **more) -> Order:
    return make_order(external_id, placed_at=datetime.now(UTC) - timedelta(hours=1), **more)


async def sweep(world: World, hours: float | None = 2) -> SweepReport:
    async with asyncio.timeout(60):
        return await world.client.execute_workflow(
            SweepWorkflow.run,
            SweepStart(channel="shop", hours=hours),
            id=f"sweep:shop:{uuid4().hex}",
            task_queue=ORDERS_QUEUE,
        )


def findings(world: World) -> list[Finding]:
    """Named on the last certificates, all flows."""
    latest = Certificates(world.database).latest("shop")
    return [finding for certificate in latest for finding in certificate.tally.findings]


async def test_a_webhook_that_never_came_is_found_and_its_order_carried(world: World, external_id):
    told, missed = an_hour_old(external_id), an_hour_old(f"{external_id}9")
    async with world.working():
        await world.place(told)
        await world.until_in_erp(told.key)
        world.storefront.place(missed)
        report = await sweep(world)
        assert report.sentences[0] == ("2 placed, 1 in the ERP, 1 missed webhook (repaired), 0 unexplained")
        assert (report.repaired, report.unexplained) == (1, 0)
        view = await world.until_in_erp(missed.key)
        assert view.number == missed.number
        assert (await sweep(world)).sentences[0] == "2 placed, 2 in the ERP, 0 unexplained"
    assert [call.subject for call in world.erp.calls if call.operation == "submit_order"].count(
        str(missed.key)
    ) == 1


async def test_what_is_not_in_the_erp_for_a_reason_is_explained_by_its_name(world: World, external_id):
    trial = an_hour_old(external_id, test=True)
    parked = an_hour_old(f"{external_id}1", lines=[make_line("11", "NO-SUCH-SKU")])
    waiting = an_hour_old(f"{external_id}2")
    early = an_hour_old(f"{external_id}3")
    world.erp.forbid_product("NO-SUCH-SKU")
    Inbox(world.database).add(
        Received(
            channel="shop",
            delivery_id=external_id,
            topic="orders/create",
            external_id=waiting.key.external_id,
            headers={},
            body=b"{}",
        )
    )
    for order in (trial, waiting, early):
        world.storefront.place(order)
    world.storefront.cancel_by_customer(early.key.external_id)
    async with world.working():
        await world.place(parked)
        await world.until_stopped(parked.key)
        report = await sweep(world)
    (orders, _) = Certificates(world.database).latest("shop")
    assert orders.tally.explained == {
        Explanation.NOT_CARRIED: 1,
        Explanation.WAITS_FOR_PERSON: 1,
        Explanation.WEBHOOK_WAITS: 1,
        Explanation.CANCELED_BEFORE_ENTRY: 1,
    }
    assert (report.unexplained, report.repaired, orders.tally.placed) == (0, 0, 4)
    # What may still come is looked at again; what is over is not.
    assert set(orders.tally.open) == {parked.key.external_id, waiting.key.external_id}


async def test_an_order_that_only_the_erp_has_is_named(world: World, external_id):
    stranger = OrderKey(channel="shop", external_id=f"{external_id}77")
    record = world.erp.enter_by_hand("#77", stranger)
    world.erp.enter_by_hand("a customer's own number")
    async with world.working():
        report = await sweep(world)
    assert report.sentences[0] == "0 placed, 0 in the ERP, 1 unexplained (beside those placed)"
    (finding,) = findings(world)
    assert (finding.explanation, finding.key) == (Explanation.ONLY_IN_ERP, stranger)
    assert finding.sentence == f"the ERP holds {record.number}, the storefront has no such order"


async def test_an_order_entered_a_second_time_by_hand_is_named_until_it_is_canceled(
    world: World, external_id
):
    order = make_order(external_id)  # placed long before any window
    async with world.working():
        await world.place(order)
        number = (await world.until_in_erp(order.key)).erp_number
        copy = world.erp.enter_by_hand(order.number)
        report = await sweep(world)
        assert report.sentences[0] == "0 placed, 0 in the ERP, 1 unexplained (beside those placed)"
        (finding,) = findings(world)
        assert finding.explanation is Explanation.TWICE_IN_ERP
        assert finding.sentence == f"the ERP holds {number} and {copy.number} (entered by hand) for one order"
        (case,) = Cases(world.database).list()
        assert (case.cause, case.waiting) == (f"duplicate_in_erp:{order.key}", 1)
        assert case.title == f"Order {order.key} is in the ERP twice"
        assert str(number) in case.reason
        assert copy.number in case.reason
        # It stays named, though nothing of it changes any more.
        assert (await sweep(world, hours=0)).unexplained == 1
        world.erp.cancel_by_hand(copy)
        assert (await sweep(world, hours=0)).sentences[0] == "0 placed, 0 in the ERP, 0 unexplained"
    assert Cases(world.database).list() == ()


async def test_an_order_that_people_entered_themselves_is_not_entered_again(world: World, external_id):
    order = an_hour_old(external_id)
    world.storefront.place(order)
    world.erp.enter_by_hand(order.number)
    async with world.working():
        report = await sweep(world)
    assert (report.unexplained, report.repaired) == (1, 0)
    assert [finding.explanation for finding in findings(world)] == [Explanation.ENTERED_BY_HAND]
    assert world.erp.orders == {}


async def test_a_shipment_of_an_order_that_nobody_carries_any_more_is_told(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.terminate("somebody clicked Terminate")
        world.erp.ship_all(order.key)
        report = await sweep(world)
        assert report.sentences[1] == (
            "1 shipped, 0 told to the storefront, 1 shipped, but the storefront was not told (repaired), "
            "0 unexplained"
        )
        result = await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()
        assert result.outcome is Attention.CLOSED
        after = await sweep(world)
    assert after.sentences[1] == "1 shipped, 1 told to the storefront, 0 unexplained"
    assert len((await world.storefront.read_order(external_id)).fulfillments) == 1


async def test_a_cancel_whose_webhook_never_came_is_carried_to_the_erp(world: World, external_id):
    order = an_hour_old(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.cancel_by_customer(external_id)
        report = await sweep(world)
        assert report.repaired == 1
        assert (await handle.result()).outcome is Attention.CANCELED
        assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
        assert (await sweep(world)).unexplained == 0


async def test_an_order_that_waits_for_its_payment_is_explained_and_one_paid_unheard_goes_on(
    world: World, external_id
):
    order = an_hour_old(external_id, payments=())
    async with world.working():
        await world.place(order)
        await world.until(order.key, lambda v: v.attention is Attention.AWAITING_PAYMENT)
        report = await sweep(world)
        assert report.sentences[0] == "1 placed, 0 in the ERP, 1 waits for its payment, 0 unexplained"
        assert report.repaired == 0
        paid = make_payment(order.total, PaymentKind.SALE)
        world.storefront.replace(order.model_copy(update={"payments": (paid,)}))
        assert (await sweep(world)).repaired == 1
        await world.until_in_erp(order.key)


async def test_an_edit_whose_webhook_never_came_reaches_its_order(world: World, external_id):
    order = make_order(external_id)  # placed long before the window
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        await sweep(world)
        world.storefront.edit_quantity(external_id, order.lines[0].line_id, 1)
        report = await sweep(world)
        assert (report.repaired, report.unexplained) == (0, 0), "it was not placed in the window"
        assert [finding.explanation for finding in findings(world)] == [Explanation.EDITED]
        await world.until_told(order.key, "TEE-BLK-M: 2 -> 1 units")
        await world.until_told(order.key, "Edit carried into")
        await sweep(world)
        assert findings(world) == []


async def test_an_order_that_the_erp_canceled_unheard_is_told_so_and_waits_for_a_person(
    world: World, external_id
):
    order = an_hour_old(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        # The feed hears nothing of it: the change is not numbered.
        canceled = world.erp.orders[order.key].model_copy(update={"state": ErpOrderState.CANCELED})
        world.erp.orders[order.key] = canceled
        report = await sweep(world)
        assert report.repaired == 1
        assert [finding.repair for finding in findings(world)] == [Repair.TELL]
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "canceled_in_erp"
        assert "1 waits for a person" in (await sweep(world)).sentences[0]


async def test_a_repair_that_does_not_help_is_named_the_next_time(world: World, external_id):
    order = an_hour_old(external_id)
    world.storefront.place(order)
    world.erp.forbid_product(order.lines[0].sku or "")
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    async with world.working():
        for explanation in (Explanation.MISSED_WEBHOOK, Explanation.LOST):
            report = await sweep(world)
            assert [finding.explanation for finding in findings(world)] == [explanation]
            assert (report.repaired, report.unexplained) == (1, 0)
            await world.until_stopped(order.key)
            await handle.terminate("somebody thinks that this helps")
        report = await sweep(world)
    assert (report.repaired, report.unexplained) == (0, 1)
    assert findings(world)[0].sentence.endswith("the last sweep's repair did not help")


async def test_an_outage_in_the_middle_keeps_the_watermark_and_is_sat_out(world: World, external_id):
    for number in range(3):
        world.storefront.place(an_hour_old(f"{external_id}{number}"))
    certificates = Certificates(world.database)
    async with world.working():
        before = await sweep(world, hours=0)
        watermark = certificates.latest("shop")[0].watermark
        await asyncio.sleep(1.1)  # windows go by whole seconds
        world.faults.unavailable("erp.find_records")
        world.faults.unavailable("erp.ping")
        sweeping = asyncio.create_task(sweep(world))
        await asyncio.sleep(3)
        assert not sweeping.done()
        latest = certificates.latest("shop")
        assert (latest[0].window, latest[0].watermark) == (before.window, watermark)
        world.faults.lift()
        report = await sweeping
    assert report.sentences[0].startswith("3 placed, ")
    assert certificates.latest("shop")[0].watermark > watermark


async def test_a_sweep_goes_on_after_its_worker_stopped_and_counts_nothing_twice(world: World, external_id):
    world.replace_storefront(MemoryStorefront(page_size=2, latency=0.3, faults=world.faults))
    for number in range(8):
        world.storefront.place(an_hour_old(f"{external_id}{number}", test=True))
    async with world.working():
        sweeping = asyncio.create_task(sweep(world))
        for _ in range(500):
            if sum(call.operation == "list_changed" for call in world.storefront.calls) > 1:
                break
            await asyncio.sleep(0.02)
    assert not sweeping.done()
    async with world.working():
        report = await sweeping
    assert report.sentences[0] == "8 placed, 0 in the ERP, 8 not carried, 0 unexplained"
    assert len(Certificates(world.database).latest("shop")) == 2


async def test_the_first_sweep_leaves_earlier_orders_alone_and_the_next_goes_on_from_it(
    world: World, external_id
):
    world.storefront.place(an_hour_old(external_id))
    async with world.working():
        first = await sweep(world, hours=None)
        assert first.sentences[0] == "0 placed, 0 in the ERP, 0 unexplained"
        later = make_order(f"{external_id}1", placed_at=first.window.before + timedelta(seconds=1))
        world.storefront.place(later)
        await asyncio.sleep(max(0.0, (later.placed_at - datetime.now(UTC)).total_seconds() + 1))
        second = await sweep(world, hours=None)
    assert second.window.since == first.window.before
    assert second.sentences[0] == "1 placed, 0 in the ERP, 1 missed webhook (repaired), 0 unexplained"


async def test_most_orders_cost_no_question_of_their_own(world: World, external_id):
    world.replace_erp(MemoryErp(faults=world.faults))
    orders = [an_hour_old(f"{external_id}{number}") for number in range(10)]
    async with world.working():
        for order in orders:
            await world.place(order)
        for order in orders:
            await world.until_in_erp(order.key)
        world.erp.calls.clear()
        world.storefront.calls.clear()
        await sweep(world)
    asked = [call.operation for call in (*world.erp.calls, *world.storefront.calls)]
    assert sorted(name for name in asked if name not in {"changes", "ping"}) == [
        "find_orders",
        "find_records",
        "find_records",
        "list_changed",
        "list_records",
    ]


async def test_a_closed_order_is_settled(world: World, external_id):
    order = an_hour_old(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await sweep(world)
    orders, shipments = Certificates(world.database).latest("shop")
    assert orders.tally.open == shipments.tally.open == ()
