"""What every ERP adapter promises (``adapters.ports.ErpPort``), held against memory and a real Tryton."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from adapters.errors import Conflict, OutcomeUnknown, Rejected, Unavailable
from adapters.ports import ErpPort
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder
from domain.order import OrderKey
from sandbox.catalog import KIT_SKU
from tests.contract.erp_worlds import Books, ErpWorld
from tests.contract.order_shapes import SHAPES, sales_order, several_lines, two_warehouses
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_WRITES = 40
"""More writes than any adapter needs for one call."""


def key_of(world: ErpWorld) -> OrderKey:
    return OrderKey(channel="shop", external_id=world.new_id())


def new_order(world: ErpWorld) -> SalesOrder:
    return sales_order(two_warehouses(world.new_id()))


def shipped(order: ErpOrder) -> Counter[tuple[str, str]]:
    """Units that left, by line and warehouse."""
    return _units(order, {ErpShipmentState.SHIPPED})


def to_ship(order: ErpOrder) -> Counter[tuple[str, str]]:
    """Units still in the warehouse, by line and warehouse."""
    return _units(order, {ErpShipmentState.WAITING, ErpShipmentState.RESERVED})


def _units(order: ErpOrder, states: set[ErpShipmentState]) -> Counter[tuple[str, str]]:
    units: Counter[tuple[str, str]] = Counter()
    for shipment in order.shipments:
        if shipment.state in states:
            for line in shipment.lines:
                units[line.line_id, shipment.warehouse] += line.quantity
    return units


def expected_books(order: SalesOrder) -> Books:
    """One order, at the storefront's own amounts."""
    return Books(orders=1, total=order.total, taxes={tax.code: tax.amount for tax in order.taxes})


TWO_WAREHOUSES = Counter(
    {("11", "WH-EAST"): 4, ("12", "WH-WEST"): 2, ("13", "WH-EAST"): 3, ("13", "WH-WEST"): 2}
)


class Feed:
    """Reads the change feed to its end, page by page."""

    def __init__(self, erp: ErpPort, cursor: str) -> None:
        self._erp = erp
        self.cursor = cursor

    @classmethod
    async def from_now(cls, erp: ErpPort) -> "Feed":
        first = await erp.changes(None)
        assert first.orders == ()
        assert not first.more
        return cls(erp, first.cursor)

    async def read(self) -> dict[OrderKey, ErpOrder]:
        told: dict[OrderKey, ErpOrder] = {}
        for _ in range(50):
            page = await self._erp.changes(self.cursor)
            self.cursor = page.cursor
            told |= {order.key: order for order in page.orders}
            if not page.more:
                return told
        pytest.fail("the feed never ends")


# Submit: one order, whatever happens.


async def test_an_order_that_was_never_submitted_is_not_found(erp_world):
    assert await erp_world.erp.find_order(key_of(erp_world)) is None


async def test_a_submitted_order_is_accepted_and_found_again_as_it_is(erp_world):
    order = new_order(erp_world)
    submitted = await erp_world.erp.submit_order(order)
    assert submitted.key == order.key
    assert submitted.state is ErpOrderState.ACCEPTED
    assert submitted.number
    assert await erp_world.erp.find_order(order.key) == submitted


async def test_submitting_again_finds_the_order(erp_world):
    order = new_order(erp_world)
    first = await erp_world.erp.submit_order(order)
    assert await erp_world.erp.submit_order(order) == first
    assert (await erp_world.books(order.key)).orders == 1


async def test_many_submit_at_once_and_one_order_is_there(erp_world):
    order = new_order(erp_world)
    colleague = erp_world.colleague()
    answers = await asyncio.gather(
        *(erp.submit_order(order) for erp in (erp_world.erp, colleague, erp_world.erp, colleague)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, ErpOrder | Conflict) for answer in answers), answers
    settled = await erp_world.erp.submit_order(order)
    assert {answer.erp_id for answer in answers if isinstance(answer, ErpOrder)} <= {settled.erp_id}
    assert to_ship(settled) == TWO_WAREHOUSES
    assert await erp_world.books(order.key) == expected_books(order)
    await colleague.close()


async def test_whichever_answer_is_lost_the_order_is_found_and_finished(erp_world):
    for nth in range(1, MOST_WRITES):
        order = new_order(erp_world)
        erp_world.lose_answer(nth)
        try:
            await erp_world.erp.submit_order(order)
        except OutcomeUnknown:
            await finish(erp_world, order)
        else:
            break
        finally:
            erp_world.mend_line()
    assert 1 < nth < MOST_WRITES - 1, "no write was cut, or there is no end of writes"


async def test_a_line_that_breaks_again_and_again_still_ends_in_one_order(erp_world):
    order = new_order(erp_world)
    for writes in range(1, MOST_WRITES):
        erp_world.lose_request(writes)
        try:
            await erp_world.erp.submit_order(order)
            break
        except Unavailable:
            continue
        finally:
            erp_world.mend_line()
    assert writes > 1
    await finish(erp_world, order)


async def finish(world: ErpWorld, order: SalesOrder) -> None:
    """What a next attempt does: the order is whole and there once."""
    world.mend_line()
    submitted = await world.erp.submit_order(order)
    assert submitted.state is ErpOrderState.ACCEPTED
    assert to_ship(submitted) == TWO_WAREHOUSES
    assert await world.books(order.key) == expected_books(order)


# Amounts: equal to the cent, tax by tax, or refused with the difference named.


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_amounts_are_the_storefronts_to_the_cent_tax_by_tax(erp_world, shape):
    storefront = shape(erp_world.new_id())
    order = sales_order(storefront)
    submitted = await erp_world.erp.submit_order(order)
    taxes = {tax.code: tax.amount for tax in submitted.taxes if tax.amount}
    assert submitted.total == storefront.total
    assert sum(taxes.values(), Decimal(0)) == storefront.total_tax
    assert taxes == {tax.code: tax.amount for tax in order.taxes}
    assert submitted.currency == storefront.currency
    assert await erp_world.books(order.key) == expected_books(order)
    asked = Counter({(line.line_id, line.warehouse): line.quantity for line in order.lines if line.warehouse})
    assert to_ship(submitted) == asked
    held = Counter({(x.line_id, x.warehouse): x.quantity for x in submitted.lines if x.warehouse is not None})
    assert held == asked


async def test_a_tax_that_is_off_by_more_than_a_cent_is_refused_with_the_difference(erp_world):
    order = sales_order(several_lines(erp_world.new_id()))
    first = order.lines[0]
    tax = first.taxes[0]
    dearer = tax.model_copy(update={"amount": tax.amount + Decimal("0.05")})
    lines = (first.model_copy(update={"taxes": (dearer, *first.taxes[1:])}), *order.lines[1:])
    taxes = tuple(
        t.model_copy(update={"amount": t.amount + Decimal("0.05")}) if t.code == tax.code else t
        for t in order.taxes
    )
    wrong = order.model_copy(update={"lines": lines, "taxes": taxes, "total": order.total + Decimal("0.05")})
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.submit_order(wrong)
    assert caught.value.cause == "amounts_differ"
    assert tax.code in caught.value.reason
    assert first.line_id in caught.value.reason
    assert str(dearer.amount) in caught.value.reason
    await erp_world.erp.submit_order(order)
    assert await erp_world.books(order.key) == expected_books(order)


async def test_lines_that_do_not_come_to_the_total_are_refused_with_the_difference(erp_world):
    order = new_order(erp_world)
    with pytest.raises(Rejected, match=r"0\.01") as caught:
        await erp_world.erp.submit_order(order.model_copy(update={"total": order.total + Decimal("0.01")}))
    assert caught.value.cause == "amounts_differ"
    assert (await erp_world.books(order.key)).orders == 0


# Refusals: a cause, words that name the thing, and nothing in the way once it is mended.


def _unknown_product(order: SalesOrder) -> SalesOrder:
    return _first_line(order, product="NO-SUCH-THING")


def _unknown_warehouse(order: SalesOrder) -> SalesOrder:
    return _first_line(order, warehouse="WH-NOWHERE")


def _unknown_tax(order: SalesOrder) -> SalesOrder:
    renamed = tuple(tax.model_copy(update={"code": f"NO-{tax.code}"}) for tax in order.lines[0].taxes)
    first, rest = order.lines[0], order.lines[1:]
    lines = (first.model_copy(update={"taxes": renamed}), *(x.model_copy(update={"taxes": ()}) for x in rest))
    total = sum((line.net for line in lines), Decimal(0)) + sum((t.amount for t in renamed), Decimal(0))
    return order.model_copy(update={"lines": lines, "taxes": renamed, "total": total})


def _unknown_party(order: SalesOrder) -> SalesOrder:
    return order.model_copy(update={"party": order.party.model_copy(update={"code": "C-NOBODY"})})


def _first_line(order: SalesOrder, **update: str) -> SalesOrder:
    return order.model_copy(update={"lines": (order.lines[0].model_copy(update=update), *order.lines[1:])})


@pytest.mark.parametrize(
    ("spoil", "cause", "named"),
    [
        (_unknown_product, "product_unknown", "NO-SUCH-THING"),
        (_unknown_warehouse, "warehouse_unknown", "WH-NOWHERE"),
        (_unknown_tax, "tax_unknown", "NO-STATE-6.25"),
        (_unknown_party, "party_unknown", "C-NOBODY"),
    ],
)
async def test_what_the_erp_does_not_know_is_refused_by_name_and_taken_once_corrected(
    erp_world, spoil, cause, named
):
    order = new_order(erp_world)
    for _ in range(2):
        with pytest.raises(Rejected, match=named) as caught:
            await erp_world.erp.submit_order(spoil(order))
        assert caught.value.cause == cause
    await finish(erp_world, order)


async def test_a_product_mended_in_the_erp_lets_the_same_order_in(erp_world):
    line = make_line("11", "SCARF-WOOL", 2)
    order = sales_order(make_order(erp_world.new_id(), lines=[line]))
    await erp_world.hide_product("SCARF-WOOL")
    try:
        with pytest.raises(Rejected, match="SCARF-WOOL") as caught:
            await erp_world.erp.submit_order(order)
    finally:
        await erp_world.show_product("SCARF-WOOL")
    assert caught.value.cause == "product_unknown"
    submitted = await erp_world.erp.submit_order(order)
    assert to_ship(submitted) == Counter({("11", "WH-EAST"): 2})


# The warehouse: shipments as they happen, told by the change feed.


async def test_partial_shipments_are_told_with_units_and_tracking_until_nothing_is_left(erp_world):
    order = new_order(erp_world)
    line_of = {(line.product, line.warehouse): line.line_id for line in order.lines if line.warehouse}
    await erp_world.erp.submit_order(order)
    feed = await Feed.from_now(erp_world.erp)
    gone: Counter[tuple[str, str]] = Counter()
    trackings = set()
    for warehouse, part in (("WH-EAST", True), ("WH-WEST", False), ("WH-EAST", False)):
        parcel = await erp_world.ship(order.key, warehouse, part=part)
        told = await feed.read()
        assert told.keys() == {order.key}
        news = told[order.key]
        (shipment,) = (s for s in news.shipments if s.shipment_id == parcel.shipment_id)
        left = {line_of[product, warehouse]: units for product, units in parcel.units.items() if units}
        assert shipment.state is ErpShipmentState.SHIPPED
        assert {line.line_id: line.quantity for line in shipment.lines if line.quantity} == left
        assert (shipment.warehouse, shipment.tracking_number) == (warehouse, parcel.tracking_number)
        assert shipment.tracking_number
        assert shipment.shipped_at is not None
        gone.update({(line_id, warehouse): units for line_id, units in left.items()})
        assert shipped(news) == gone
        assert to_ship(news) == TWO_WAREHOUSES - gone
        trackings.add(shipment.tracking_number)
    assert gone == TWO_WAREHOUSES
    assert len(trackings) == 3
    assert await feed.read() == {}


async def test_a_kit_is_counted_in_whole_kits(erp_world):
    order = sales_order(make_order(erp_world.new_id(), lines=[make_line("11", KIT_SKU, 4)]))
    submitted = await erp_world.erp.submit_order(order)
    assert to_ship(submitted) == Counter({("11", "WH-EAST"): 4})
    await erp_world.ship(order.key, "WH-EAST", part=True)
    half = await erp_world.erp.find_order(order.key)
    assert half is not None
    assert shipped(half) == to_ship(half) == Counter({("11", "WH-EAST"): 2})


async def test_the_feed_misses_nothing_over_its_pages_and_then_is_quiet(erp_world):
    feed = await Feed.from_now(erp_world.erp)
    orders = [sales_order(several_lines(erp_world.new_id())) for _ in range(5)]
    submitted = {order.key: await erp_world.erp.submit_order(order) for order in orders}
    assert await feed.read() == submitted
    assert await feed.read() == {}
    assert await feed.read() == {}


async def test_a_cursor_kept_from_before_tells_everything_since(erp_world):
    feed = await Feed.from_now(erp_world.erp)
    kept = feed.cursor
    order = sales_order(several_lines(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    assert (await feed.read()).keys() == {order.key}
    parcel = await erp_world.ship(order.key, "WH-EAST", part=False)
    again = await Feed(erp_world.colleague(), kept).read()
    assert [s.shipment_id for s in again[order.key].shipments] == [parcel.shipment_id]
    assert again[order.key].shipments[0].state is ErpShipmentState.SHIPPED


async def test_a_foreign_cursor_is_refused(erp_world):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.changes("yesterday")
    assert caught.value.cause == "cursor_unknown"


# Cancel: as long as nothing is picked.


async def test_an_untouched_order_is_canceled_and_again_is_fine(erp_world):
    order = new_order(erp_world)
    await erp_world.erp.submit_order(order)
    feed = await Feed.from_now(erp_world.erp)
    for _ in range(2):
        outcome = await erp_world.erp.cancel_order(order.key, "the buyer changed their mind")
        assert outcome.canceled
        assert outcome.order.state is ErpOrderState.CANCELED
        assert to_ship(outcome.order) == shipped(outcome.order) == Counter()
    told = await feed.read()
    assert told[order.key].state is ErpOrderState.CANCELED


async def test_a_canceled_order_stays_canceled_when_it_is_submitted_again(erp_world):
    order = new_order(erp_world)
    await erp_world.erp.submit_order(order)
    canceled = await erp_world.erp.cancel_order(order.key, "fraud")
    again = await erp_world.erp.submit_order(order)
    assert (again.erp_id, again.state) == (canceled.order.erp_id, ErpOrderState.CANCELED)
    assert (await erp_world.books(order.key)).orders == 1


async def test_whichever_answer_is_lost_the_order_ends_canceled(erp_world):
    order = sales_order(several_lines(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    cuts = 0
    for _ in range(MOST_WRITES):
        # Each attempt gets one write further, and never hears of it.
        erp_world.lose_answer(1)
        try:
            await erp_world.erp.cancel_order(order.key, "fraud")
            break
        except OutcomeUnknown:
            cuts += 1
        finally:
            erp_world.mend_line()
    assert cuts
    outcome = await erp_world.erp.cancel_order(order.key, "fraud")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED


async def test_what_is_picked_is_not_canceled_and_the_reason_names_the_shipment(erp_world):
    order = new_order(erp_world)
    await erp_world.erp.submit_order(order)
    number = await erp_world.pick(order.key)
    outcome = await erp_world.erp.cancel_order(order.key, "the buyer changed their mind")
    assert not outcome.canceled
    assert number in outcome.reason
    assert "picked" in outcome.reason
    assert outcome.order.state is ErpOrderState.ACCEPTED
    assert ErpShipmentState.CANCELED not in {s.state for s in outcome.order.shipments}


async def test_what_has_left_is_not_canceled(erp_world):
    order = sales_order(several_lines(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    await erp_world.ship(order.key, "WH-EAST", part=False)
    outcome = await erp_world.erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert outcome.reason


async def test_an_unknown_order_cannot_be_canceled(erp_world):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.cancel_order(key_of(erp_world), "fraud")
    assert caught.value.cause == "order_unknown"


# Probe.


async def test_the_probe_tells_that_all_is_well(erp_world):
    probe = await erp_world.erp.probe()
    assert (probe.ok, probe.remedy) == (True, "")
    assert probe.detail


async def test_the_probe_explains_a_login_that_is_not_known(erp_world):
    stranger = erp_world.stranger()
    probe = await stranger.probe()
    assert not probe.ok
    assert probe.detail
    assert probe.remedy
    await stranger.close()
