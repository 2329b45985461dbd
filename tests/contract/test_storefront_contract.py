"""What every storefront adapter promises (``adapters.ports.StorefrontPort``): memory and a Shopify-compatible store.

What a storefront does not declare in its capabilities is skipped.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected, SessionExpired, Unavailable
from adapters.ports import StorefrontPort
from adapters.requests import CaptureRequest, FulfillmentRequest
from domain.order import CancelKind, FulfillmentLine, Order, OrderKey, PaymentKind, PaymentStatus
from tests.contract.storefront_requests import (
    TAX,
    TOTAL,
    TWO_PLACES,
    authorization,
    capture,
    line_of,
    open_units,
    parcel,
    place,
)
from tests.contract.storefront_worlds import Basket

pytestmark = pytest.mark.asyncio(loop_scope="module")


# Reading.


async def test_an_order_is_read_whole(storefront_world):
    order = await place(storefront_world)
    assert order.key == OrderKey(channel="shop", external_id=order.key.external_id)
    assert order.number
    assert [(x.sku, x.ordered, x.current, x.unit_price) for x in order.lines] == [
        ("CAP-BLK", 5, 5, Decimal("24.49")),
        ("MUG-LOGO", 2, 2, Decimal("9.05")),
    ]
    assert [[(t.title, t.rate, t.amount) for t in x.taxes] for x in order.lines] == [
        [("State Tax", Decimal("0.0625"), Decimal("7.65"))],
        [("State Tax", Decimal("0.0625"), Decimal("1.13"))],
    ]
    assert (order.total, order.total_tax, order.presentment_total) == (TOTAL, TAX, TOTAL)
    assert (order.currency, order.presentment_currency, order.taxes_included) == ("USD", "USD", False)
    assert (order.canceled_at, order.test, order.fulfillments) == (None, False, ())
    assert order.shipping_address is not None
    assert (order.shipping_address.country, order.shipping_address.state) == ("US", "NY")
    (paid,) = order.payments
    assert (paid.kind, paid.status, paid.amount) == (
        PaymentKind.AUTHORIZATION,
        PaymentStatus.SUCCESS,
        TOTAL,
    )
    assert order.captured == 0


async def test_locations_are_told_what_to_ship(storefront_world, plans):
    order = await place(storefront_world)
    assert open_units(order) == {("CAP-BLK", "101"): 3, ("CAP-BLK", "102"): 2, ("MUG-LOGO", "101"): 2}


async def test_a_test_order_says_so(storefront_world):
    order = await place(storefront_world, Basket({"STICKER": {"101": 1}}, test=True))
    assert order.test


async def test_an_edit_lowers_the_line_its_tax_the_total_and_the_plans(storefront_world, plans):
    order = await place(storefront_world)
    storefront_world.edit(order.key.external_id, line_of(order, "CAP-BLK"), 2)
    edited = await storefront_world.storefront.read_order(order.key.external_id)
    caps, mugs = edited.lines
    assert (caps.ordered, caps.current) == (5, 2)
    assert [t.amount for t in caps.taxes] == [Decimal("3.06")]  # two fifths of 7.65
    assert mugs == order.lines[1]
    assert edited.total == Decimal("48.98") + Decimal("18.10") + Decimal("3.06") + Decimal("1.13")
    assert edited.total_tax == Decimal("4.19")
    assert sum(open_units(edited).values()) == 4


async def test_a_line_edited_to_nothing_costs_nothing(storefront_world):
    order = await place(storefront_world)
    storefront_world.edit(order.key.external_id, line_of(order, "MUG-LOGO"), 0)
    edited = await storefront_world.storefront.read_order(order.key.external_id)
    assert (edited.lines[1].ordered, edited.lines[1].current) == (2, 0)
    assert edited.total == Decimal("130.10")
    assert sum((t.amount for x in edited.lines for t in x.taxes), Decimal(0)) == Decimal("7.65")


async def _read(storefront: StorefrontPort, key: OrderKey) -> object:
    return await storefront.read_order(key.external_id)


async def _cancel(storefront: StorefrontPort, key: OrderKey) -> object:
    return await storefront.cancel_order(key.external_id, "fraud")


async def _fulfill(storefront: StorefrontPort, key: OrderKey) -> object:
    lines = (FulfillmentLine(line_id="1", quantity=1),)
    return await storefront.create_fulfillment(
        FulfillmentRequest(key=key, location="101", lines=lines, carrier=None, tracking_number="1Z1")
    )


async def _capture(storefront: StorefrontPort, key: OrderKey) -> object:
    return await storefront.capture_payment(
        CaptureRequest(key=key, authorization_id="1", capture_up_to=Decimal(1))
    )


@pytest.mark.parametrize("operation", [_read, _cancel, _fulfill, _capture])
async def test_an_unknown_order_is_refused(
    storefront_world, operation: Callable[[StorefrontPort, OrderKey], Awaitable[object]]
):
    with pytest.raises(Rejected) as caught:
        await operation(storefront_world.storefront, OrderKey(channel="shop", external_id="99999999"))
    assert caught.value.cause == "order_unknown"


async def test_orders_are_listed_page_by_page_oldest_first_test_orders_too(storefront_world):
    baskets = [Basket({"STICKER": {"101": 1}}, test=number == 1) for number in range(5)]
    placed = [await place(storefront_world, basket) for basket in baskets]
    ids = [order.key.external_id for order in placed]
    listed: list[str] = []
    cursor = None
    for _ in range(100):
        page = await storefront_world.storefront.list_orders(placed[0].placed_at, cursor)
        listed += page.external_ids
        cursor = page.next_cursor
        if cursor is None:
            break
    assert cursor is None
    # Another order may have been placed in the same second as the first.
    assert listed[-5:] == ids
    assert len(set(listed)) == len(listed)
    later = await storefront_world.storefront.list_orders(placed[-1].placed_at + timedelta(seconds=2))
    assert later.external_ids == ()
    assert later.next_cursor is None


# Fulfillments.


async def test_a_shipment_is_told_once_however_often_it_is_told(storefront_world, plans):
    order = await place(storefront_world)
    request = parcel(order, "101", {"CAP-BLK": 2, "MUG-LOGO": 1})
    first = await storefront_world.storefront.create_fulfillment(request)
    assert await storefront_world.storefront.create_fulfillment(request) == first
    assert first.tracking_number == "1Z1"
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert told.fulfillments == (first,)
    assert open_units(told) == {("CAP-BLK", "101"): 1, ("CAP-BLK", "102"): 2, ("MUG-LOGO", "101"): 1}
    assert storefront_world.truth(order.key.external_id).fulfillments == 1


async def test_the_same_units_with_another_tracking_number_are_another_shipment(storefront_world):
    order = await place(storefront_world)
    one = await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"MUG-LOGO": 1}, "1Z1"))
    two = await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"MUG-LOGO": 1}, "1Z2"))
    assert one.fulfillment_id != two.fulfillment_id
    assert storefront_world.truth(order.key.external_id).fulfillments == 2


async def test_other_units_with_the_same_tracking_number_are_another_shipment(storefront_world):
    order = await place(storefront_world)
    one = await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"MUG-LOGO": 1}))
    two = await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 1}))
    assert one.fulfillment_id != two.fulfillment_id
    assert storefront_world.truth(order.key.external_id).open_units == 5


async def test_a_known_fulfillment_is_never_taken_for_a_new_one(storefront_world):
    order = await place(storefront_world)
    request = parcel(order, "101", {"MUG-LOGO": 1})
    one = await storefront_world.storefront.create_fulfillment(request)
    again = parcel(order, "101", {"MUG-LOGO": 1}, known=(one.fulfillment_id,))
    two = await storefront_world.storefront.create_fulfillment(again)
    assert one.fulfillment_id != two.fulfillment_id
    assert await storefront_world.storefront.create_fulfillment(again) == two
    assert storefront_world.truth(order.key.external_id).fulfillments == 2


async def test_the_order_ends_with_nothing_open_when_all_has_left(storefront_world, plans):
    order = await place(storefront_world)
    await storefront_world.storefront.create_fulfillment(
        parcel(order, "101", {"CAP-BLK": 3, "MUG-LOGO": 2}, "1Z1")
    )
    await storefront_world.storefront.create_fulfillment(parcel(order, "102", {"CAP-BLK": 2}, "1Z2"))
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert open_units(told) == {}
    assert not any(plan.open for plan in told.location_plans)
    assert {(f.location, f.tracking_number) for f in told.fulfillments} == {("101", "1Z1"), ("102", "1Z2")}


@pytest.mark.parametrize(
    ("location", "units"),
    [("101", {"CAP-BLK": 6}), ("102", {"MUG-LOGO": 3}), ("102", {"CAP-BLK": 1, "MUG-LOGO": 3}), ("101", {})],
)
async def test_what_is_open_nowhere_is_refused_whole(storefront_world, plans, location, units):
    order = await place(storefront_world)
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.create_fulfillment(parcel(order, location, units))
    assert caught.value.cause == "not_open_to_ship"
    assert storefront_world.truth(order.key.external_id).open_units == 7
    assert await storefront_world.storefront.read_order(order.key.external_id) == order


# Fulfillments from another location than the one planned.


@pytest.mark.parametrize(
    ("units", "still_open"),
    [
        # Nothing of it was planned there, the whole plan of another location was; part of it; some was planned there.
        ({"MUG-LOGO": 2}, {("CAP-BLK", "101"): 3, ("CAP-BLK", "102"): 2}),
        ({"MUG-LOGO": 1}, {("CAP-BLK", "101"): 3, ("CAP-BLK", "102"): 2, ("MUG-LOGO", "101"): 1}),
        ({"CAP-BLK": 4}, {("CAP-BLK", "101"): 1, ("MUG-LOGO", "101"): 2}),
        ({"CAP-BLK": 5, "MUG-LOGO": 2}, {}),
    ],
)
async def test_units_move_to_the_location_that_shipped_them(storefront_world, plans, units, still_open):
    order = await place(storefront_world)
    request = parcel(order, "102", units)
    made = await storefront_world.storefront.create_fulfillment(request)
    assert await storefront_world.storefront.create_fulfillment(request) == made
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert told.fulfillments == (made,)
    assert made.location == "102"
    assert open_units(told) == still_open
    assert _planned(told) == {line.line_id: line.current for line in told.lines}


async def test_a_whole_order_may_leave_from_where_nothing_was_planned(storefront_world, plans):
    order = await place(storefront_world, Basket({"CAP-BLK": {"101": 3}, "MUG-LOGO": {"101": 2}}))
    for number, units in enumerate(({"CAP-BLK": 2}, {"CAP-BLK": 1, "MUG-LOGO": 2})):
        request = parcel(order, "102", units, f"1Z{number}")
        await storefront_world.storefront.create_fulfillment(request)
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert open_units(told) == {}
    assert [(f.location, sum(line.quantity for line in f.lines)) for f in told.fulfillments] == [
        ("102", 2),
        ("102", 3),
    ]
    assert _planned(told) == {line.line_id: line.current for line in told.lines}


async def test_what_another_location_shipped_is_not_taken_from_it(storefront_world, plans):
    order = await place(storefront_world)
    first = await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 2}, "1Z1"))
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.create_fulfillment(parcel(order, "102", {"CAP-BLK": 4}, "1Z2"))
    assert caught.value.cause == "not_open_to_ship"
    second = await storefront_world.storefront.create_fulfillment(parcel(order, "102", {"CAP-BLK": 3}, "1Z2"))
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert set(told.fulfillments) == {first, second}
    assert open_units(told) == {("MUG-LOGO", "101"): 2}
    assert _planned(told) == {line.line_id: line.current for line in told.lines}


def _planned(order: Order) -> dict[str, int]:
    """Units of each line by all plans, as they are planned for the ERP: a closed one counts with what left."""
    units = {line.line_id: 0 for line in order.lines}
    for plan in order.location_plans:
        for part in plan.lines:
            units[part.line_id] += part.quantity if plan.open else part.quantity - part.remaining
    return units


# Cancel.


async def test_a_canceled_order_gives_units_and_money_back_and_stays_canceled(storefront_world, captures):
    order = await place(storefront_world, Basket(TWO_PLACES.lines, gift_card=Decimal("25.00")))
    await storefront_world.storefront.capture_payment(capture(order, "30.00"))
    canceled = await storefront_world.storefront.cancel_order(order.key.external_id, "changed their mind")
    assert canceled.canceled_at is not None
    assert canceled.captured == 0
    assert canceled.total == 0
    assert [line.current for line in canceled.lines] == [0, 0]
    assert open_units(canceled) == {}
    voids = [p for p in canceled.payments if p.kind is PaymentKind.VOID]
    assert [(p.parent_id, p.amount) for p in voids] == [
        (authorization(order).payment_id, TOTAL - Decimal("55.00"))
    ]
    assert await storefront_world.storefront.cancel_order(order.key.external_id, "again") == canceled
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.canceled, truth.captured, truth.open_units) == (True, 0, 0)
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.capture_payment(capture(order, "31.00"))
    assert caught.value.cause == "authorization_voided"
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 1}))
    assert caught.value.cause == "not_open_to_ship"


@pytest.mark.parametrize("kind", list(CancelKind))
async def test_a_storefront_keeps_why_an_order_was_canceled(storefront_world, kind):
    order = await place(storefront_world)
    assert order.cancel_kind is None
    canceled = await storefront_world.storefront.cancel_order(order.key.external_id, "as agreed", kind)
    assert canceled.cancel_kind is kind


async def test_what_has_shipped_is_not_canceled(storefront_world):
    order = await place(storefront_world)
    await storefront_world.storefront.create_fulfillment(parcel(order, "102", {"CAP-BLK": 1}))
    with pytest.raises(Rejected):
        await storefront_world.storefront.cancel_order(order.key.external_id, "too late")
    assert not storefront_world.truth(order.key.external_id).canceled


# Lost answers and requests.


async def _ship_caps(storefront: StorefrontPort, order: Order) -> object:
    return await storefront.create_fulfillment(parcel(order, "102", {"CAP-BLK": 2}))


async def _capture_some(storefront: StorefrontPort, order: Order) -> object:
    return await storefront.capture_payment(capture(order, "10.00"))


async def _cancel_all(storefront: StorefrontPort, order: Order) -> object:
    return await storefront.cancel_order(order.key.external_id, "fraud")


WRITES = {
    "create_fulfillment": _ship_caps,
    "capture_payment": _capture_some,
    "cancel_order": _cancel_all,
}


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_whose_answer_is_lost_is_found_and_not_done_again(storefront_world, operation):
    order = await place(storefront_world)
    storefront_world.lose_answer(operation)
    with pytest.raises(OutcomeUnknown):
        await WRITES[operation](storefront_world.storefront, order)
    await WRITES[operation](storefront_world.storefront, order)
    truth = storefront_world.truth(order.key.external_id)
    done = (truth.fulfillments, truth.captured, truth.canceled)
    assert (
        done
        == {
            "create_fulfillment": (1, 0, False),
            "capture_payment": (0, Decimal("10.00"), False),
            "cancel_order": (0, 0, True),
        }[operation]
    )


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_that_does_not_arrive_changes_nothing(storefront_world, operation):
    order = await place(storefront_world)
    storefront_world.lose_request(operation)
    with pytest.raises(Unavailable):
        await WRITES[operation](storefront_world.storefront, order)
    assert await storefront_world.storefront.read_order(order.key.external_id) == order


# Ping and probe.


async def test_a_ping_is_answered(storefront_world):
    await storefront_world.storefront.ping()


async def test_a_ping_tells_that_the_system_does_not_know_us(storefront_world):
    stranger = storefront_world.stranger()
    with pytest.raises(SessionExpired):
        await stranger.ping()
    await stranger.close()


async def test_the_probe_tells_that_all_is_well(storefront_world):
    probe = await storefront_world.storefront.probe()
    assert (probe.ok, probe.remedy) == (True, "")
    assert probe.detail


async def test_the_probe_explains_a_token_that_is_not_known(storefront_world):
    stranger = storefront_world.stranger()
    probe = await stranger.probe()
    assert not probe.ok
    assert probe.detail
    assert probe.remedy
    await stranger.close()
