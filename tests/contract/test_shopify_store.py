"""The Shopify adapter and the sandbox store over real HTTP: every shape of order, and what goes wrong on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import OutcomeUnknown, RateLimited, Rejected, SessionExpired, Unavailable
from adapters.requests import CaptureRequest, FulfillmentRequest
from adapters.shopify.storefront import ShopifyStorefront
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.webhook_ports import Delivery, SignatureInvalid
from config.mappings import load_mapping
from domain.order import FulfillmentLine, Order, OrderKey, PaymentKind
from domain.planning import plan_sales_order
from sandbox.scenarios.catalogue import TEST_ORDER, named, shapes
from sandbox.scenarios.vocabulary import Scenario
from sandbox.store.control import Fault, OrderReading
from sandbox.store.requests import AskReturn, AskReturnLine, AssessRisk, PlaceOrder
from sandbox.store.throttle import ThrottleKnobs
from tests.running_store import SECRET, Receiver, RunningStore, ship, until
from tests.running_store import read as read_raw
from tests.store_fixture import UNTHROTTLED, run_store, running_store, storefront_at

__all__ = ["running_store"]  # a fixture: pytest finds it by its name in this module

SPLIT = PlaceOrder.model_validate(
    {
        "lines": [
            {
                "sku": "CAP-BLK",
                "quantity": 5,
                "split": [{"location": 101, "quantity": 3}, {"location": 102, "quantity": 2}],
            },
            {"sku": "MUG-LOGO", "quantity": 1},
        ],
        "taxes": ["STATE-6.25"],
    }
)


@pytest.fixture
async def storefront(running_store: RunningStore) -> AsyncIterator[ShopifyStorefront]:
    async with closing(storefront_at(running_store)) as adapter:
        yield adapter


@asynccontextmanager
async def closing(adapter: ShopifyStorefront) -> AsyncIterator[ShopifyStorefront]:
    try:
        yield adapter
    finally:
        await adapter.close()


def place(store: RunningStore, scenario: Scenario) -> OrderReading:
    placed = store.control.place_order(scenario.order)
    for edit in scenario.edits:
        placed = store.control.edit_order(placed.id, edit)
    return placed


async def read(adapter: ShopifyStorefront, placed: OrderReading) -> Order:
    return await adapter.read_order(str(placed.id))


@pytest.mark.parametrize("scenario", shapes(), ids=lambda scenario: scenario.name)
async def test_every_shape_is_read_as_the_store_has_it_and_can_be_planned(
    running_store: RunningStore, storefront: ShopifyStorefront, scenario: Scenario
) -> None:
    truth = place(running_store, scenario)
    order = await read(storefront, truth)
    assert (order.number, order.currency, order.presentment_currency) == (
        truth.name,
        truth.currency,
        truth.presentment_currency,
    )
    assert (order.total, order.presentment_total) == (truth.total, truth.presentment_total)
    assert [(each.line_id, each.sku, each.ordered, each.current) for each in order.lines] == [
        (str(each.id), each.sku, each.ordered, each.current) for each in truth.lines
    ]
    taxes: dict[tuple[str, Decimal], Decimal] = {}
    for part in (*order.lines, *order.shipping):
        for tax in part.taxes:
            taxes[tax.title, tax.rate] = taxes.get((tax.title, tax.rate), Decimal(0)) + tax.amount
    told = [(*name.rsplit(" ", 1), amount) for name, amount in truth.taxes.items()]
    assert taxes == {(title, Decimal(rate)): amount for title, rate, amount in told}
    assert sum(taxes.values(), Decimal(0)) == order.total_tax
    authorized = [p.amount for p in order.payments if p.kind is PaymentKind.AUTHORIZATION]
    assert sum(authorized, Decimal(0)) == truth.authorized
    assert order.captured == truth.captured
    planned: dict[str, int] = {}
    for plan in order.location_plans:
        for part in plan.lines:
            planned[part.line_id] = planned.get(part.line_id, 0) + part.remaining
    assert planned == {str(each.id): each.current for each in truth.lines if each.current}
    mapping = load_mapping(Path("config/mappings/shopify-tryton.toml"))
    assert plan_sales_order(order, mapping).total == truth.total


async def test_a_test_order_says_so(running_store: RunningStore, storefront: ShopifyStorefront) -> None:
    assert (await read(storefront, place(running_store, named(TEST_ORDER)))).test


async def test_two_shipments_of_a_split_line_and_their_captures(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    order = await read(storefront, placed)
    cap, mug = (each.line_id for each in order.lines)
    (authorization,) = order.payments
    east = shipment(order, "101", {cap: 3, mug: 1}, "1Z-EAST")
    first = await storefront.create_fulfillment(east)
    assert await storefront.create_fulfillment(east) == first
    again = shipment(order, "102", {cap: 1}, "1Z-WEST")
    second = await storefront.create_fulfillment(again)
    known = (first.fulfillment_id, second.fulfillment_id)
    # the same units, parcel number and location once more: another parcel, because the first one is accounted for
    third = await storefront.create_fulfillment(again.model_copy(update={"known_fulfillment_ids": known}))
    assert third.fulfillment_id not in known
    with pytest.raises(Rejected) as caught:
        await storefront.create_fulfillment(shipment(order, "102", {cap: 1}, "1Z-MORE"))
    assert caught.value.cause == "not_open_to_ship"
    order = await read(storefront, placed)
    assert set(order.fulfillments) == {first, second, third}
    assert not any(plan.open for plan in order.location_plans)

    half = CaptureRequest(
        key=order.key, authorization_id=authorization.payment_id, capture_up_to=Decimal("50.01")
    )
    (done,) = await storefront.capture_payment(half)
    assert done.amount == Decimal("50.01")
    assert await storefront.capture_payment(half) == (done,)
    rest = half.model_copy(update={"capture_up_to": order.presentment_total})
    assert sum(each.presentment_amount for each in await storefront.capture_payment(rest)) == order.total
    with pytest.raises(Rejected) as caught:
        await storefront.capture_payment(half.model_copy(update={"capture_up_to": order.total + 1}))
    assert caught.value.cause == "capture_exceeds_authorization"
    truth = running_store.control.read_order(placed.id)
    assert (truth.captured, truth.fulfillments, truth.open_units) == (truth.total, 3, 0)


@pytest.mark.parametrize("field", ["fulfillmentOrderMove", "fulfillmentCreate"])
async def test_an_answer_lost_while_units_move_is_made_good_by_the_next_attempt(
    running_store: RunningStore, storefront: ShopifyStorefront, field: str
) -> None:
    placed = running_store.control.place_order(SPLIT)
    order = await read(storefront, placed)
    cap, _ = (each.line_id for each in order.lines)
    running_store.control.add_fault(Fault(field=field, kind="answer_lost"))
    request = shipment(order, "102", {cap: 4}, "1Z-WEST")
    with pytest.raises(OutcomeUnknown):
        await storefront.create_fulfillment(request)
    made = await storefront.create_fulfillment(request)
    told = await read(storefront, placed)
    assert told.fulfillments == (made,)
    truth = running_store.control.read_order(placed.id)
    assert (truth.fulfillments, truth.open_units) == (1, 2)


async def test_a_location_that_the_shop_does_not_know_is_refused_in_words(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    order = await read(storefront, placed)
    cap, _ = (each.line_id for each in order.lines)
    with pytest.raises(
        Rejected, match=r"2 units of line \d+ left from location 999.*does not exist"
    ) as caught:
        await storefront.create_fulfillment(shipment(order, "999", {cap: 2}, "1Z"))
    assert caught.value.cause == "move_refused"
    assert await read(storefront, placed) == order


async def test_a_capture_in_the_buyers_currency(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    wanted = SPLIT.model_copy(update={"presentment_currency": "EUR", "presentment_rate": Decimal("0.9137")})
    placed = running_store.control.place_order(wanted)
    order = await read(storefront, placed)
    amount = Decimal("20.20")
    (authorization,) = order.payments
    (done,) = await storefront.capture_payment(
        CaptureRequest(key=order.key, authorization_id=authorization.payment_id, capture_up_to=amount)
    )
    assert done.presentment_amount == amount
    assert done.amount > amount
    assert running_store.control.read_order(placed.id).presentment_captured == amount


async def test_an_order_larger_than_every_page(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    lines = [
        {
            "sku": "STICKER",
            "quantity": 8,
            "split": [{"location": 101, "quantity": 7}, {"location": 102, "quantity": 1}],
        }
        for _ in range(37)
    ]
    placed = running_store.control.place_order(PlaceOrder.model_validate({"lines": lines}))
    order = await read(storefront, placed)
    line_ids = [str(each.id) for each in placed.lines]
    assert [each.line_id for each in order.lines] == line_ids
    assert [len(plan.lines) for plan in order.location_plans] == [37, 37]
    for parcel in range(7):
        await storefront.create_fulfillment(
            shipment(order, "101", dict.fromkeys(line_ids, 1), f"1Z-{parcel}")
        )
    payment = order.payments[0].payment_id
    for cents in range(1, 13):
        await storefront.capture_payment(
            CaptureRequest(key=order.key, authorization_id=payment, capture_up_to=Decimal(cents) / 100)
        )
    order = await read(storefront, placed)
    assert [len(each.lines) for each in order.fulfillments] == [37] * 7
    assert len(order.payments) == 13
    assert order.captured == Decimal("0.12")


@pytest.mark.parametrize("paid", ["authorization", "sale"])
async def test_canceling_gives_all_money_and_units_back(
    running_store: RunningStore, storefront: ShopifyStorefront, paid: str
) -> None:
    wanted = SPLIT.model_copy(update={"payments": PlaceOrder.model_validate(_paying(paid)).payments})
    placed = running_store.control.place_order(wanted)
    told = await storefront.cancel_order(str(placed.id), "The buyer changed their mind")
    assert told.canceled_at is not None
    assert (told.captured, told.total) == (Decimal(0), Decimal(0))
    assert not any(plan.open for plan in told.location_plans)
    assert await storefront.cancel_order(str(placed.id), "again") == told
    truth = running_store.control.read_order(placed.id)
    assert truth.canceled
    assert (truth.captured, truth.open_units) == (Decimal(0), 0)


def _paying(kind: str) -> dict[str, Any]:
    return {"lines": [{"sku": "STICKER"}], "payments": [{"kind": kind}]}


async def test_a_shipped_order_is_not_canceled(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    order = await read(storefront, placed)
    await storefront.create_fulfillment(shipment(order, "102", {order.lines[0].line_id: 1}, "1Z1"))
    with pytest.raises(Rejected) as caught:
        await storefront.cancel_order(str(placed.id), "why")
    assert caught.value.cause == "already_shipped"
    assert not running_store.control.read_order(placed.id).canceled


async def test_a_lost_answer_does_nothing_twice(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    order = await read(storefront, placed)
    request = shipment(order, "102", {order.lines[0].line_id: 1}, "1Z1")
    capture = CaptureRequest(
        key=order.key, authorization_id=order.payments[0].payment_id, capture_up_to=Decimal("10.00")
    )
    for field, call in (
        ("fulfillmentCreate", lambda: storefront.create_fulfillment(request)),
        ("orderCapture", lambda: storefront.capture_payment(capture)),
    ):
        running_store.control.add_fault(Fault(field=field, kind="answer_lost"))
        with pytest.raises(OutcomeUnknown):
            await call()
        await call()
    truth = running_store.control.read_order(placed.id)
    assert (truth.fulfillments, truth.captured) == (1, Decimal("10.00"))
    placed = running_store.control.place_order(SPLIT)
    running_store.control.add_fault(Fault(field="orderCancel", kind="answer_lost"))
    with pytest.raises(OutcomeUnknown):
        await storefront.cancel_order(str(placed.id), "why")
    assert (await storefront.cancel_order(str(placed.id), "why")).canceled_at is not None


async def test_an_outage_is_told_as_one(running_store: RunningStore, storefront: ShopifyStorefront) -> None:
    placed = running_store.control.place_order(SPLIT)
    running_store.control.add_fault(Fault(field="order", kind="unavailable"))
    with pytest.raises(Unavailable):
        await read(storefront, placed)
    assert (await read(storefront, placed)).total == placed.total


async def test_many_reads_wait_for_the_bucket_instead_of_being_refused(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    running_store.control.set_throttle(ThrottleKnobs(maximum_available=600, restore_rate=500))
    try:
        orders = await asyncio.gather(*(read(storefront, placed) for _ in range(20)))
    finally:
        running_store.control.set_throttle(UNTHROTTLED)
    assert {order.total for order in orders} == {placed.total}


async def test_a_shop_that_stays_throttled_says_how_long_to_wait(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    placed = running_store.control.place_order(SPLIT)
    running_store.control.set_throttle(ThrottleKnobs(maximum_available=600, restore_rate=1))
    try:
        await read(storefront, placed)
        async with closing(storefront_at(running_store)) as other_worker:  # knows nothing of the bucket yet
            with pytest.raises(RateLimited) as limited:
                await _read_often(other_worker, placed)
    finally:
        running_store.control.set_throttle(UNTHROTTLED)
    assert timedelta(seconds=10) < limited.value.retry_after < timedelta(seconds=600)


async def _read_often(adapter: ShopifyStorefront, placed: OrderReading) -> None:
    for _ in range(5):
        await read(adapter, placed)


async def test_an_unknown_order_and_a_wrong_token(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    with pytest.raises(Rejected) as caught:
        await storefront.read_order("999999")
    assert caught.value.cause == "order_unknown"
    async with closing(ShopifyStorefront("shop", running_store.url, "wrong")) as stranger:
        with pytest.raises(SessionExpired):
            await stranger.read_order("5001")
        assert not (await stranger.probe()).ok


async def test_the_probe_is_content(storefront: ShopifyStorefront) -> None:
    told = await storefront.probe()
    assert told.ok, told.detail


async def test_orders_are_listed_from_a_time_on(
    running_store: RunningStore, storefront: ShopifyStorefront
) -> None:
    wanted = PlaceOrder.model_validate({"lines": [{"sku": "STICKER"}]})
    placed = [running_store.control.place_order(wanted) for _ in range(53)]
    since, until = placed[0].created_at, placed[-1].created_at + timedelta(seconds=2)
    first = await storefront.list_orders(since)
    second = await storefront.list_orders(since, first.next_cursor)
    assert len(first.external_ids) == 50
    # what another test placed within the same second may come first
    assert (*first.external_ids, *second.external_ids)[-53:] == tuple(str(each.id) for each in placed)
    assert first.next_cursor is not None
    assert second.next_cursor is None
    assert (await storefront.list_orders(until)).external_ids == ()


def test_the_stores_webhooks_are_read(tmp_path: Path) -> None:
    receiver = Receiver().start()
    try:
        with run_store(tmp_path, receiver.url) as store:
            store.control.turn_webhooks(topics=sorted(ShopifyWebhooks.topics))
            wanted = {"lines": [{"sku": "STICKER", "quantity": 3}], "payments": [{"kind": "sale"}]}
            placed = store.control.place_order(PlaceOrder.model_validate(wanted))
            store.control.edit_line(placed.id, 1, 2)
            store.control.assess_order(placed.id, AssessRisk(risk_level="LOW"))
            store.control.cancel_order(placed.id)
            sent = store.control.place_order(PlaceOrder.model_validate(wanted))
            ship(store, read_raw(store, sent.id)["fulfillmentOrders"]["nodes"][0])
            for act in ("withdraw", "decline", "close"):
                asked = AskReturn(lines=(AskReturnLine(),), agreed=act == "close")
                back = store.control.ask_return(sent.id, asked).returns[-1]
                store.control.change_return(sent.id, back.id, act)
            until(lambda: {told.topic for told in _read_all(receiver)} >= ShopifyWebhooks.topics, 20)
    finally:
        receiver.stop()
    told = _read_all(receiver)
    assert {each.external_id for each in told if each.topic in ShopifyWebhooks.topics} == {
        str(placed.id),
        str(sent.id),
    }
    assert all(each.event_id and each.occurred_at for each in told)
    with pytest.raises(SignatureInvalid):
        ShopifyWebhooks("another secret").read(receiver.received[0].raw, receiver.received[0].headers)


def _read_all(receiver: Receiver) -> list[Delivery]:
    reader = ShopifyWebhooks(SECRET, "sandbox.myshopify.com")
    return [reader.read(each.raw, each.headers) for each in list(receiver.received)]


def shipment(order: Order, location: str, units: dict[str, int], tracking: str) -> FulfillmentRequest:
    return FulfillmentRequest(
        key=OrderKey(channel="shop", external_id=order.key.external_id),
        location=location,
        lines=tuple(
            FulfillmentLine(line_id=line_id, quantity=quantity) for line_id, quantity in units.items()
        ),
        carrier="UPS",
        tracking_number=tracking,
    )
