"""When money is taken and what is waited for, lived through on a real Temporal server; weeks are skipped."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.erp_order import ErpOrderState
from domain.mapping import CompanyRule
from domain.order import Customer, Order, Payment, PaymentKind
from domain.payment_rules import CaptureRule, ExpiryRule, GatewayRules, PaymentRules
from domain.status import OrderStatus
from domain.topics import ORDERS_PAID, ORDERS_UPDATED
from store.inbox import InboxItem, InboxState
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.test_cases import until_waiting
from tests.workflows.world import World
from web.hand_over import hand_over_to
from workflows.messages import Attention, CancelAsked
from workflows.order import OrderWorkflow

GIFT = make_payment("30.00", PaymentKind.SALE, payment_id="1", gateway="gift_card")
CARD = make_payment("50.00", payment_id="2")
WIRE = make_payment("20.00", payment_id="3", gateway="manual")
BOTH = [("2", "50.00"), ("3", "20.00")]
WEEK = timedelta(days=7)
PAID_OR_PROMISED = [(PaymentKind.SALE, ORDERS_PAID), (PaymentKind.AUTHORIZATION, ORDERS_UPDATED)]
"""What a buyer pays with, and the one topic that tells of it: of a promise none but that the order was updated."""


def hundred(external_id: str, *payments: Payment, **overrides) -> Order:
    """Four units at 25.00, two of them in each warehouse."""
    lines = (make_line(ordered=4, unit_price="25.00", tax_rates=()),)
    placement = {"11": {"101": 2, "102": 2}}
    return make_order(external_id, lines=lines, placement=placement, payments=payments, **overrides)


def expiring(payment: Payment, after: timedelta) -> Payment:
    return payment.model_copy(update={"expires_at": datetime.now(UTC) + after})


def captures(world: World, order: Order) -> list[tuple[str | None, str]]:
    """What was captured: authorization and amount, in the order it was taken."""
    told = world.storefront.orders[order.key.external_id]
    return [(p.parent_id, str(p.amount)) for p in told.payments if p.kind is PaymentKind.CAPTURE]


def reads(world: World, order: Order) -> int:
    asked = [call for call in world.storefront.calls if call.operation == "read_order"]
    return sum(call.subject == order.key.external_id for call in asked)


async def webhook(
    world: World, order: Order, topic: str = ORDERS_PAID, occurred_at: datetime | None = None
) -> InboxState:
    """As the dispatcher hands it over; what became of it."""
    delivery = InboxItem(
        id=1,
        key=order.key,
        delivery_id=f"{order.key.external_id}-{topic}-{occurred_at}",
        event_id=None,
        topic=topic,
        label=order.number,
        occurred_at=occurred_at,
        received_at=datetime.now(UTC),
        attempts=0,
    )
    return await hand_over_to(world.client, world.database)(delivery)


async def ship_all(world: World, order: Order) -> None:
    world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
    await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
    world.erp.ship(order.key, "WH-WEST", {"11": 2}, tracking="T2")


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        (PaymentRules(capture=CaptureRule.AT_ORDER), (BOTH, BOTH, BOTH)),
        (PaymentRules(capture=CaptureRule.AT_FIRST_SHIPMENT), ([], BOTH, BOTH)),
        # Half of it left: 50.00, of which the gift card paid 30.00.
        (PaymentRules(), ([], [("2", "20.00")], [("2", "20.00"), ("2", "30.00"), ("3", "20.00")])),
        (
            PaymentRules(gateways={"manual": GatewayRules(capture=CaptureRule.AT_ORDER)}),
            ([("3", "20.00")], [("3", "20.00")], [("3", "20.00"), ("2", "50.00")]),
        ),
    ],
)
async def test_a_gift_card_a_card_and_a_transfer_are_taken_when_the_rules_say(
    world: World, external_id, rules, taken
):
    world.replace_mapping(sandbox_mapping(payments=rules))
    order = hundred(external_id, GIFT, CARD, WIRE)
    before, one_parcel, closed = taken
    async with world.working():
        handle = await world.place(order)
        await world.until(
            order.key, lambda v: v.erp_number is not None and v.waiting_for.startswith("the warehouse")
        )
        assert captures(world, order) == before
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until(
            order.key,
            lambda v: v.status is OrderStatus.PARTLY_SHIPPED and v.waiting_for.startswith("the warehouse"),
        )
        assert captures(world, order) == one_parcel
        world.erp.ship(order.key, "WH-WEST", {"11": 2}, tracking="T2")
        assert (await handle.result()).outcome is Attention.CLOSED
    assert captures(world, order) == closed
    assert world.storefront.orders[external_id].captured == 100


@pytest.mark.parametrize("fault", ["lose_answer", "unavailable"])
async def test_money_taken_at_the_order_is_taken_once_whatever_happens_to_the_call(
    world: World, external_id, fault
):
    world.replace_mapping(sandbox_mapping(payments=PaymentRules(capture=CaptureRule.AT_ORDER)))
    getattr(world.faults, fault)("capture_payment", nth=1)
    order = hundred(external_id, make_payment("100.00", payment_id="2"))
    async with world.working():
        handle = await world.place(order)
        await world.until_told(order.key, "100.00 captured so far, before the goods leave")
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert captures(world, order) == [("2", "100.00")]


@pytest.mark.parametrize(("kind", "topic"), PAID_OR_PROMISED)
async def test_what_is_not_paid_waits_and_goes_on_by_itself_once_it_is(
    world: World, external_id, kind, topic
):
    order = hundred(external_id, CARD)
    async with world.working():
        handle = await world.place(order)
        waiting = await world.until(order.key, lambda v: v.attention is Attention.AWAITING_PAYMENT)
        assert waiting.waiting_for == "the buyer to pay USD 50.00; it then goes on by itself"
        assert waiting.problem is None
        assert order.key not in world.erp.orders
        # Something else of it changes: it is read, and nothing is told twice.
        assert await webhook(world, order, ORDERS_UPDATED) is InboxState.DISPATCHED
        await world.until(order.key, lambda _view: reads(world, order) == 2)
        rest = make_payment("50.00", kind, payment_id="3")
        world.storefront.replace(order.model_copy(update={"payments": (CARD, rest)}))
        assert await webhook(world, order, topic, datetime.now(UTC)) is InboxState.DISPATCHED
        await world.until_in_erp(order.key)
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert (await world.story(order.key)).count("Not paid yet") == 1
    assert world.storefront.orders[external_id].captured == 100


async def test_what_waits_for_its_payment_can_be_canceled(world: World, external_id):
    order = hundred(external_id, GIFT)
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.attention is Attention.AWAITING_PAYMENT)
        answer = await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(reason="never paid"))
        assert answer.done
        assert (await handle.result()).outcome is Attention.CANCELED
    assert order.key not in world.erp.orders
    given_back = [p for p in world.storefront.orders[external_id].payments if p.kind is PaymentKind.REFUND]
    assert [(p.parent_id, p.amount) for p in given_back] == [("1", Decimal(30))]


async def test_a_cancel_voids_what_is_promised_and_gives_back_what_was_taken(world: World, external_id):
    rules = PaymentRules(gateways={"manual": GatewayRules(capture=CaptureRule.AT_ORDER)})
    world.replace_mapping(sandbox_mapping(payments=rules))
    order = hundred(external_id, GIFT, CARD, WIRE)
    async with world.working():
        handle = await world.place(order)
        await world.until_told(order.key, "captured so far, before the goods leave")
        await handle.signal("cancel")
        assert (await handle.result()).outcome is Attention.CANCELED
    told = world.storefront.orders[external_id]
    voided = [(p.parent_id, p.amount) for p in told.payments if p.kind is PaymentKind.VOID]
    refunded = sorted(p.amount for p in told.payments if p.kind is PaymentKind.REFUND)
    assert (voided, refunded, told.captured) == ([("2", 50)], [20, 30], 0)
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_a_company_on_terms_is_delivered_without_a_payment_and_the_account_says_what_is_due(
    world: World, external_id
):
    terms = {"301": CompanyRule(party="C-WHOLESALE", payment_terms="30 days net")}
    world.replace_mapping(sandbox_mapping(companies=terms))
    buyer = Customer(name="Buyer", company_id="301", company_name="Wholesale Inc")
    order = hundred(external_id, make_payment("40.00", payment_id="2"), customer=buyer)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await ship_all(world, order)
        ended = await handle.result()
        assert ended.outcome is Attention.CLOSED
        assert ended.text == "Delivered and balanced to the cent, to be paid on terms; closed."
        assert "USD 40.00 captured, USD 60.00 due on terms (30 days net)." in await world.story(order.key)
    (entered,) = [call for call in world.erp.calls if call.operation == "submit_order"]
    assert entered.subject == str(order.key)
    assert captures(world, order) == [("2", "40.00")]


async def test_paid_is_an_echo_where_nobody_waits_for_money(world: World, external_id):
    order = hundred(external_id, make_payment("100.00", payment_id="2"))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        before = (await handle.describe()).history_length
        await webhook(world, order)
        assert (await handle.describe()).history_length == before, "it went no further than the hand-over"
        # One that came before the order's row was written reaches the workflow, and costs no reading there.
        await world.start(order, ORDERS_PAID)
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
        before = (await handle.describe()).history_length
        await webhook(world, order)
        assert (await handle.describe()).history_length == before
    first, *others = [call.operation for call in world.storefront.calls if call.operation == "read_order"]
    assert first
    assert len(others) == 3, "a reading for each parcel, one for closing"


async def test_an_authorization_that_expires_first_becomes_a_case_in_time_and_a_parcel_ends_it(
    world: World, external_id
):
    order = hundred(external_id, expiring(make_payment("100.00", payment_id="2"), WEEK))
    async with world.working():
        handle = await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "authorization_expires:shop:shopify_payments"
        end = f"{order.payments[0].expires_at:%Y-%m-%d %H:%M}"
        told = f"The authorization by shopify_payments ends at {end} UTC: USD 100.00 of it is not taken"
        assert stopped.problem.reason.startswith(told)
        assert WEEK - timedelta(hours=25) < stopped.problem.since - datetime.now(UTC) < WEEK
        assert captures(world, order) == []
        assert reads(world, order) == 2, "nobody is asked before the order was read again"
        await until_waiting(world, "authorization_expires", 1)
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert [amount for _, amount in captures(world, order)] == ["50.00", "50.00"]


async def test_a_person_may_let_it_expire_and_is_asked_once(world: World, external_id):
    order = hundred(external_id, expiring(make_payment("100.00", payment_id="2"), WEEK))
    async with world.working():
        handle = await world.place(order)
        await world.until_stopped(order.key)
        await handle.signal("resubmit")
        await world.until(order.key, lambda v: v.waiting_for.startswith("the warehouse"))
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert (await world.story(order.key)).count("Stopped:") == 1


async def test_an_authorization_that_expires_first_is_taken_in_time_where_the_rule_says_so(
    world: World, external_id
):
    rules = PaymentRules(on_expiry=ExpiryRule.CAPTURE, expiry_notice_hours=48)
    world.replace_mapping(sandbox_mapping(payments=rules))
    order = hundred(external_id, GIFT, expiring(CARD, 2 * WEEK), expiring(WIRE, WEEK))
    async with world.working():
        handle = await world.place(order)
        await world.until_told(order.key, "USD 100.00 captured so far, before the goods leave")
        assert captures(world, order) == BOTH
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert captures(world, order) == BOTH


async def test_money_that_staff_took_before_the_notice_asks_nobody(world: World, server, external_id):
    authorized = expiring(make_payment("100.00", payment_id="2"), WEEK)
    order = hundred(external_id, authorized)
    with server.with_time_skipping_disabled():
        async with world.working():
            handle = await world.place(order)
            await world.until(
                order.key, lambda v: v.erp_number is not None and v.waiting_for.startswith("the warehouse")
            )
            taken = make_payment("100.00", PaymentKind.CAPTURE, payment_id="9", parent_id="2")
            world.storefront.replace(order.model_copy(update={"payments": (authorized, taken)}))
            assert reads(world, order) == 1
            await server.fast_forward(handle, WEEK - timedelta(hours=23))
            await world.until(order.key, lambda _view: reads(world, order) == 2)
            await ship_all(world, order)
            assert (await handle.result()).outcome is Attention.CLOSED
            assert "Stopped:" not in await world.story(order.key)
    assert captures(world, order) == [("2", "100.00")]


async def test_each_authorization_that_expires_is_asked_about(world: World, external_id):
    order = hundred(external_id, GIFT, expiring(CARD, 2 * WEEK), expiring(WIRE, WEEK))
    async with world.working():
        handle = await world.place(order)
        for gateway, amount in (("manual", "20.00"), ("shopify_payments", "50.00")):
            stopped = await world.until_stopped(order.key)
            assert stopped.problem is not None
            assert stopped.problem.cause == f"authorization_expires:shop:{gateway}"
            assert f"USD {amount} of it is not taken" in stopped.problem.reason
            await handle.signal("resubmit")
            await world.until(
                order.key, lambda v, told=gateway: v.problem is None or told not in v.problem.cause
            )
        await world.until(order.key, lambda v: v.waiting_for.startswith("the warehouse"))


async def test_an_order_whose_authorization_has_expired_is_not_delivered_before_it_is_paid(
    world: World, external_id
):
    expired = expiring(make_payment("100.00", payment_id="2"), -timedelta(hours=1))
    order = hundred(external_id, expired)
    async with world.working():
        handle = await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert "by shopify_payments ended at" in stopped.problem.reason
        await handle.signal("resubmit")
        await world.until(order.key, lambda v: v.attention is Attention.AWAITING_PAYMENT)
        assert order.key not in world.erp.orders
        anew = make_payment("100.00", PaymentKind.SALE, payment_id="3")
        world.storefront.replace(order.model_copy(update={"payments": (expired, anew)}))
        await webhook(world, order)
        await world.until_in_erp(order.key)
        await ship_all(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert captures(world, order) == []


@pytest.mark.parametrize(("kind", "topic"), PAID_OR_PROMISED)
async def test_goods_that_left_after_the_authorization_expired_wait_for_their_money_alone(
    world: World, external_id, kind, topic
):
    order = hundred(external_id, make_payment("100.00", payment_id="2"))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.expire_authorizations(external_id)
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until(
            order.key, lambda v: v.problem is not None and v.problem.cause == "authorization_expired"
        )
        before = datetime.now(UTC) - timedelta(minutes=1)
        assert await webhook(world, order, ORDERS_UPDATED, before) is InboxState.ECHO, "our own fulfillment"
        told = world.storefront.orders[external_id]
        anew = make_payment("100.00", kind, payment_id="3")
        world.storefront.replace(told.model_copy(update={"payments": (*told.payments, anew)}))
        assert await webhook(world, order, topic, datetime.now(UTC)) is InboxState.DISPATCHED
        await world.until(
            order.key, lambda v: v.problem is None and v.waiting_for.startswith("the warehouse")
        )
        world.erp.ship(order.key, "WH-WEST", {"11": 2}, tracking="T2")
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert [f.tracking_number for f in told.fulfillments] == ["T1", "T2"]
    assert told.captured == 100


async def test_an_edit_that_nobody_has_paid_says_what_is_missing_and_closes_once_it_is_promised(
    world: World, external_id
):
    order = hundred(external_id, make_payment("100.00", payment_id="2"))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        now = world.storefront.orders[external_id]
        plans = tuple(
            plan.model_copy(
                update={
                    "lines": tuple(x.model_copy(update={"quantity": 3, "remaining": 3}) for x in plan.lines)
                }
            )
            for plan in now.location_plans
        )
        dearer = {
            "lines": (now.lines[0].model_copy(update={"ordered": 6, "current": 6}),),
            "location_plans": plans,
            "total": now.total + 50,
            "presentment_total": now.presentment_total + 50,
        }
        world.storefront.replace(now.model_copy(update=dearer))
        await world.start(order, "orders/edited")
        await world.until_told(
            order.key, "USD 50.00 is neither paid nor promised; the goods are sent all the same"
        )
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "unbalanced:money"
        assert "send them the invoice" in stopped.problem.remedy
        told = world.storefront.orders[external_id]
        promise = make_payment("50.00", payment_id="3")
        world.storefront.replace(told.model_copy(update={"payments": (*told.payments, promise)}))
        assert await webhook(world, order, ORDERS_UPDATED, datetime.now(UTC)) is InboxState.DISPATCHED
        assert (await handle.result()).outcome is Attention.CLOSED
    assert world.storefront.orders[external_id].captured == 150
