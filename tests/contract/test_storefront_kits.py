"""A fulfillment of a kit that left in several parcels tells of all of them, and is found again by its own."""

import pytest

from tests.contract.storefront_requests import parcel, place

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_numbers_of_all_its_parcels_are_told_once(storefront_world):
    storefront = storefront_world.storefront
    order = await place(storefront_world)
    asked = parcel(order, "101", {"CAP-BLK": 2}, "1Z-LAST").model_copy(
        update={"more_tracking": ("1Z-FIRST", "1Z-SECOND")}
    )
    made = await storefront.create_fulfillment(asked)
    assert await storefront.create_fulfillment(asked) == made
    # Found again also by who does not know of the other parcels.
    assert (await storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 2}, "1Z-LAST"))) == made
    (told,) = (await storefront.read_order(order.key.external_id)).fulfillments
    assert (told.tracking_number, told.more_tracking) == ("1Z-LAST", ("1Z-FIRST", "1Z-SECOND"))
