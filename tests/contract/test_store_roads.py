"""Orders that take other roads, as the Shopify adapter reads them from the sandbox store over real HTTP."""

from collections.abc import AsyncIterator

import pytest

from adapters.shopify.storefront import ShopifyStorefront
from domain.order import Risk
from sandbox.store.requests import AssessRisk, PlaceOrder
from tests.running_store import RunningStore
from tests.store_fixture import running_store, storefront_at

__all__ = ["running_store"]  # a fixture: pytest finds it by its name in this module

PLAIN = {
    "lines": [
        {
            "sku": "CAP-BLK",
            "quantity": 5,
            "split": [{"location": 101, "quantity": 3}, {"location": 102, "quantity": 2}],
        }
    ]
}


@pytest.fixture
async def storefront(running_store: RunningStore) -> AsyncIterator[ShopifyStorefront]:
    adapter = storefront_at(running_store)
    yield adapter
    await adapter.close()


@pytest.mark.parametrize(
    ("told", "risk"),
    [
        ({}, Risk.NONE),
        ({"risk_level": "LOW", "risk": "ACCEPT"}, Risk.LOW),
        ({"risk_level": "LOW", "risk": "INVESTIGATE"}, Risk.MEDIUM),
        ({"risk": "CANCEL"}, Risk.HIGH),
        ({"risk_level": "PENDING", "risk": "NONE"}, Risk.PENDING),
        ({"risk_level": "PENDING", "risk": "CANCEL"}, Risk.HIGH),
    ],
)
async def test_the_highest_that_anybody_says_is_an_orders_risk(running_store, storefront, told, risk):
    placed = running_store.control.place_order(PlaceOrder.model_validate(PLAIN | told))
    assert (await storefront.read_order(str(placed.id))).risk is risk


async def test_another_assessment_is_read(running_store, storefront):
    placed = running_store.control.place_order(PlaceOrder.model_validate(PLAIN | {"risk_level": "PENDING"}))
    running_store.control.assess_order(placed.id, AssessRisk(risk_level="HIGH"))
    assert (await storefront.read_order(str(placed.id))).risk is Risk.HIGH


async def test_what_was_handed_over_is_read_as_left_from_where_it_was_sold(running_store, storefront):
    sold = PLAIN | {"handed_over": True, "payments": [{"kind": "sale"}]}
    placed = running_store.control.place_order(PlaceOrder.model_validate(sold))
    order = await storefront.read_order(str(placed.id))
    assert order.handed_over
    assert {f.location: f.lines[0].quantity for f in order.fulfillments} == {"101": 3, "102": 2}
    assert {f.tracking_number for f in order.fulfillments} == {None}
    assert not any(plan.open for plan in order.location_plans)
    plain = running_store.control.place_order(PlaceOrder.model_validate(PLAIN))
    assert not (await storefront.read_order(str(plain.id))).handed_over


async def test_what_the_shop_asked_of_the_buyer_is_read(running_store, storefront):
    asked = PLAIN | {"attributes": {"gift_message": "Hi", "gift": ""}}
    placed = running_store.control.place_order(PlaceOrder.model_validate(asked))
    assert (await storefront.read_order(str(placed.id))).attributes == {"gift_message": "Hi", "gift": ""}
