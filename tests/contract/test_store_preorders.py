"""Fulfillment orders that the shop has scheduled for later: read with their day, moved, opened when goods leave."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.requests import FulfillmentRequest
from domain.order import FulfillmentLine, Order
from sandbox.store.requests import PlaceLine, PlaceOrder
from tests.running_store import RunningStore
from tests.store_fixture import storefront_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = (
    PlaceLine(sku="HOOD-GRY-L", quantity=2, release_in_days=30, attributes={"Release date": "2026-12-24"}),
    PlaceLine(sku="MUG-LOGO", quantity=1),
)


def days_ahead(order: Order) -> list[int | None]:
    """Of each plan, from now."""
    now = datetime.now(UTC)
    return [
        plan.not_before and round((plan.not_before - now) / timedelta(days=1))
        for plan in order.location_plans
    ]


async def test_a_line_that_may_leave_later_is_scheduled_apart_and_opened_when_it_leaves(
    running_store: RunningStore,
):
    storefront = storefront_at(running_store)
    external_id = str(running_store.control.place_order(PlaceOrder(lines=LINES)).id)
    order = await storefront.read_order(external_id)
    hood, mug = order.lines
    assert hood.attributes == {"Release date": "2026-12-24"}
    assert mug.attributes == {}
    assert days_ahead(order) == [30, None]
    assert [plan.open for plan in order.location_plans] == [True, True]
    running_store.control.reschedule_order(external_id, 60)
    assert days_ahead(await storefront.read_order(external_id)) == [60, None]
    # The warehouse sends it before its time, together with the other.
    asked = FulfillmentRequest(
        key=order.key,
        location="101",
        lines=tuple(FulfillmentLine(line_id=x.line_id, quantity=x.current) for x in order.lines),
        carrier="UPS",
        tracking_number="1Z1",
    )
    made = await storefront.create_fulfillment(asked)
    assert await storefront.create_fulfillment(asked) == made
    after = await storefront.read_order(external_id)
    assert after.fulfillments == (made,)
    assert days_ahead(after) == [None, None]
    assert not any(plan.open for plan in after.location_plans)
    await storefront.close()


async def test_what_is_rescheduled_to_now_is_open(running_store: RunningStore):
    storefront = storefront_at(running_store)
    external_id = str(running_store.control.place_order(PlaceOrder(lines=LINES)).id)
    running_store.control.reschedule_order(external_id, 0)
    assert days_ahead(await storefront.read_order(external_id)) == [None, None]
    await storefront.close()
