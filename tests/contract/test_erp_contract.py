"""What every ERP adapter promises (``adapters.ports.ErpPort``), held against memory and a real Tryton."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from adapters.errors import Conflict, OutcomeUnknown, Rejected, SessionExpired, Unavailable
from adapters.ports import ErpPort
from domain.balance import compare_orders
from domain.differences import Acceptance, PlanRefused
from domain.erp_order import ADJUSTMENT_LINE, ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder, TaxAmount
from domain.order import OrderKey
from domain.planning import plan_sales_order
from sandbox.catalog import KIT_SKU
from tests.contract.erp_worlds import Books, ErpWorld
from tests.contract.order_shapes import SHAPES, sales_order, two_warehouses
from tests.order_builder import make_line, make_order, sandbox_mapping

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_WRITES = 20
"""At least as many as any adapter needs for one call; a cut that never ends is told then."""


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

    def __init__(self, erp: ErpPort, cursor: str | None) -> None:
        self._erp = erp
        self.cursor = cursor
        self.pages = 0

    @classmethod
    async def from_now(cls, erp: ErpPort) -> "Feed":
        """A reader that was told everything so far."""
        feed = cls(erp, None)
        await feed.read()
        feed.pages = 0
        return feed

    async def read(self) -> dict[OrderKey, ErpOrder]:
        told: dict[OrderKey, ErpOrder] = {}
        for _ in range(50):
            page = await self._erp.changes(self.cursor)
            self.cursor = page.cursor
            self.pages += 1
            told |= {order.key: order for order in page.orders}
            if not page.more:
                return told
        raise AssertionError("the feed never ends")


# Submit: one order, whatever happens.


async def test_an_order_that_was_never_submitted_is_not_found(erp_world):
    assert await erp_world.erp.find_order(key_of(erp_world)) is None


async def test_a_submitted_order_is_accepted_and_found_again_as_it_is(erp_world):
    order = new_order(erp_world)
    submitted = await erp_world.erp.submit_order(order)
    assert submitted.key == order.key
    assert submitted.state is ErpOrderState.ACCEPTED
    assert submitted.number
    assert to_ship(submitted) == TWO_WAREHOUSES
    assert await erp_world.erp.submit_order(order) == submitted
    assert await erp_world.erp.find_order(order.key) == submitted
    assert await erp_world.books(order.key) == expected_books(order)


async def test_many_submit_at_once_and_one_order_is_there(erp_world):
    order = new_order(erp_world)
    colleague = erp_world.colleague()
    answers = await asyncio.gather(
        *(erp.submit_order(order) for erp in (erp_world.erp, colleague, erp_world.erp)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, ErpOrder | Conflict) for answer in answers), answers
    settled = await finish(erp_world, order)
    assert {answer.erp_id for answer in answers if isinstance(answer, ErpOrder)} <= {settled.erp_id}
    await colleague.close()


async def test_whichever_write_is_lost_or_unheard_the_order_is_finished_once(erp_world):
    order = new_order(erp_world)
    erp_world.lose_request()
    with pytest.raises(Unavailable):
        await erp_world.erp.submit_order(order)
    assert await erp_world.erp.find_order(order.key) is None
    unheard = 0
    for _ in range(MOST_WRITES):
        # Each attempt gets one write further, and never hears of it.
        erp_world.lose_answer()
        try:
            await erp_world.erp.submit_order(order)
            break
        except OutcomeUnknown:
            unheard += 1
    assert unheard > 1
    await finish(erp_world, order)


async def finish(world: ErpWorld, order: SalesOrder) -> ErpOrder:
    """What a next attempt does on a whole line: the order is whole, and there once."""
    world.mend_line()
    submitted = await world.erp.submit_order(order)
    assert submitted.state is ErpOrderState.ACCEPTED
    assert to_ship(submitted) == TWO_WAREHOUSES
    assert await world.books(order.key) == expected_books(order)
    return submitted


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


async def test_amounts_that_do_not_balance_are_refused_with_the_difference_named(erp_world):
    order = new_order(erp_world)
    first, tax = order.lines[0], order.lines[0].taxes[0]
    five_cents = Decimal("0.05")
    dearer = _more(tax, five_cents)
    more_tax = order.model_copy(
        update={
            "lines": (first.model_copy(update={"taxes": (dearer, *first.taxes[1:])}), *order.lines[1:]),
            "taxes": tuple(_more(t, five_cents) if t.code == tax.code else t for t in order.taxes),
            "total": order.total + five_cents,
        }
    )
    more_total = order.model_copy(update={"total": order.total + Decimal("0.01")})
    one, two = order.taxes
    other_tax = order.model_copy(update={"taxes": (_more(one, Decimal(-1)), _more(two, Decimal(1)))})
    for wrong, words in (
        (other_tax, (one.code, two.code)),
        (more_tax, (tax.code, first.line_id, str(dearer.amount))),
        (more_total, (str(order.total), str(more_total.total), "0.01")),
    ):
        with pytest.raises(Rejected) as caught:
            await erp_world.erp.submit_order(wrong)
        assert caught.value.cause == "amounts_differ"
        for word in words:
            assert word in caught.value.reason
        assert (await erp_world.books(order.key)).orders == 0
    await finish(erp_world, order)


@pytest.mark.parametrize("amount", ["0.01", "-0.01", "-1.25"])
async def test_an_accepted_difference_is_a_line_of_its_own_and_the_total_is_the_storefronts(
    erp_world, amount
):
    order = two_warehouses(erp_world.new_id())
    off = order.model_copy(
        update={"total": order.total + Decimal(amount), "total_tax": order.total_tax + Decimal(amount)}
    )
    with pytest.raises(PlanRefused) as refused:
        sales_order(off)
    accepted = Acceptance(actor="Ada", reason="rounding", differences=refused.value.differences)
    planned = plan_sales_order(off, sandbox_mapping(), [accepted])
    held = await finish(erp_world, planned)
    assert held.total == off.total
    adjustments = [line for line in held.lines if line.line_id == ADJUSTMENT_LINE]
    assert [(line.product, line.quantity) for line in adjustments] == [("ADJUSTMENT", 1)]
    assert compare_orders(off, held, sandbox_mapping()) == ()


def _more(tax: TaxAmount, amount: Decimal) -> TaxAmount:
    return tax.model_copy(update={"amount": tax.amount + amount})


# Refusals: a cause, words that name the thing, and nothing in the way once it is mended.


def _unknown_tax(order: SalesOrder) -> SalesOrder:
    known = order.lines[0].taxes
    renamed = (known[0].model_copy(update={"code": f"NO-{known[0].code}"}), *known[1:])
    first, rest = order.lines[0], order.lines[1:]
    lines = (first.model_copy(update={"taxes": renamed}), *(x.model_copy(update={"taxes": ()}) for x in rest))
    total = sum((line.net for line in lines), Decimal(0)) + sum((t.amount for t in renamed), Decimal(0))
    return order.model_copy(update={"lines": lines, "taxes": renamed, "total": total})


def _unknown_party(order: SalesOrder) -> SalesOrder:
    return order.model_copy(update={"party": order.party.model_copy(update={"code": "C-NOBODY"})})


def _first_line(order: SalesOrder, **update: str) -> SalesOrder:
    return order.model_copy(update={"lines": (order.lines[0].model_copy(update=update), *order.lines[1:])})


async def test_what_the_erp_does_not_know_is_refused_by_name_and_taken_once_corrected(erp_world):
    order = new_order(erp_world)
    for spoiled, cause, named in (
        (_first_line(order, product="NO-SUCH-THING"), "product_unknown", "NO-SUCH-THING"),
        (_first_line(order, warehouse="WH-NOWHERE"), "warehouse_unknown", "WH-NOWHERE"),
        (_unknown_tax(order), "tax_unknown", "NO-STATE-6.25"),
        (_unknown_party(order), "party_unknown", "C-NOBODY"),
    ):
        with pytest.raises(Rejected, match=named) as caught:
            await erp_world.erp.submit_order(spoiled)
        assert caught.value.cause.split(":")[::2] == [cause, named], "orders that lack the same share a cause"
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
    assert caught.value.cause.split(":")[::2] == ["product_unknown", "SCARF-WOOL"]
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
    outcome = await erp_world.erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert outcome.reason


async def test_a_kit_is_counted_in_whole_kits(erp_world):
    line = make_line("11", KIT_SKU, 4)
    order = sales_order(make_order(erp_world.new_id(), lines=[line]))
    submitted = await erp_world.erp.submit_order(order)
    assert to_ship(submitted) == Counter({("11", "WH-EAST"): 4})
    await erp_world.ship(order.key, "WH-EAST", part=True)
    half = await erp_world.erp.find_order(order.key)
    assert half is not None
    assert shipped(half) == to_ship(half) == Counter({("11", "WH-EAST"): 2})


async def test_the_feed_misses_nothing_over_its_pages_and_then_is_quiet(erp_world):
    feed = await Feed.from_now(erp_world.erp)
    kept = feed.cursor
    orders = [sales_order(make_order(erp_world.new_id())) for _ in range(4)]
    submitted = {order.key: await erp_world.erp.submit_order(order) for order in orders}
    assert await feed.read() == submitted
    assert feed.pages > 1
    assert await feed.read() == {}
    assert await feed.read() == {}
    parcel = await erp_world.ship(orders[0].key, "WH-EAST", part=False)
    # A reader that lost its place goes back to a cursor it kept, in another process.
    colleague = erp_world.colleague()
    again = await Feed(colleague, kept).read()
    assert again.keys() == submitted.keys()
    assert [(s.shipment_id, s.state) for s in again[orders[0].key].shipments] == [
        (parcel.shipment_id, ErpShipmentState.SHIPPED)
    ]
    assert (await feed.read()).keys() == {orders[0].key}
    await colleague.close()


async def test_a_feed_that_starts_late_tells_the_open_orders(erp_world):
    order = sales_order(make_order(erp_world.new_id()))
    submitted = await erp_world.erp.submit_order(order)
    feed = Feed(erp_world.erp, None)
    assert (await feed.read())[order.key] == submitted
    assert await feed.read() == {}


async def test_a_foreign_cursor_is_refused(erp_world):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.changes("yesterday")
    assert caught.value.cause == "cursor_unknown"


# Cancel: as long as nothing is picked.


async def test_an_untouched_order_is_canceled_whichever_answer_is_lost_and_stays_so(erp_world):
    order = new_order(erp_world)
    submitted = await erp_world.erp.submit_order(order)
    feed = await Feed.from_now(erp_world.erp)
    unheard = 0
    for _ in range(MOST_WRITES):
        erp_world.lose_answer()
        try:
            await erp_world.erp.cancel_order(order.key, "the buyer changed their mind")
            break
        except OutcomeUnknown:
            unheard += 1
    erp_world.mend_line()
    assert unheard
    outcome = await erp_world.erp.cancel_order(order.key, "the buyer changed their mind")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED
    assert to_ship(outcome.order) == shipped(outcome.order) == Counter()
    assert (await feed.read())[order.key].state is ErpOrderState.CANCELED
    again = await erp_world.erp.submit_order(order)
    assert (again.erp_id, again.state) == (submitted.erp_id, ErpOrderState.CANCELED)
    assert (await erp_world.books(order.key)).orders == 1


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


async def test_an_unknown_order_cannot_be_canceled(erp_world):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.cancel_order(key_of(erp_world), "fraud")
    assert caught.value.cause == "order_unknown"


# Ping and probe.


async def test_a_ping_is_answered(erp_world):
    await erp_world.erp.ping()


async def test_a_ping_tells_that_the_system_does_not_know_us(erp_world):
    stranger = erp_world.stranger()
    with pytest.raises(SessionExpired):
        await stranger.ping()
    await stranger.close()


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
