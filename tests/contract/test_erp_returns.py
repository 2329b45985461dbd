"""What every ERP makes of goods that come back, held against memory and a real Tryton."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import (
    ErpInvoiceState,
    ErpOrder,
    ErpReturn,
    ErpReturnState,
    SalesLine,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
    TaxAmount,
)
from domain.listings import OrderName
from domain.money import proportion
from domain.order import OrderKey
from domain.returns import FEE_LINE, CreditLine, ReturnAuthorization, ReturnCredit
from sandbox.catalog import FEE_PRODUCT
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import kits, sales_order, two_warehouses
from tests.order_builder import make_line, make_order, make_shipping

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_WRITES = 30
"""At least as many as any adapter needs for one call; a cut that never ends is told then."""
EAST, WEST = "WH-EAST", "WH-WEST"
TEE, CAP = "TEE-BLK-M", "CAP-BLK"


async def sent_order(world: ErpWorld) -> SalesOrder:
    """Four tees and two caps have left the east."""
    lines = [make_line("11", TEE, 4), make_line("12", CAP, 2)]
    placement = {"11": {"101": 4}, "12": {"101": 2}}
    order = sales_order(
        make_order(world.new_id(), lines=lines, placement=placement, shipping=[make_shipping()])
    )
    await world.erp.submit_order(order)
    await world.ship(order.key, EAST, part=False)
    return order


async def sent_from_two_warehouses(world: ErpWorld) -> SalesOrder:
    """So have five jeans, from two warehouses."""
    order = sales_order(two_warehouses(world.new_id()))
    await world.erp.submit_order(order)
    for warehouse in (EAST, WEST):
        await world.ship(order.key, warehouse, part=False)
    return order


def announce(key: OrderKey, return_id: str = "1", **units: int) -> ReturnAuthorization:
    """``line_11=2``: two units of line 11 come back."""
    return ReturnAuthorization(
        key=key,
        return_id=return_id,
        number=f"#{key.external_id}-R{return_id}",
        warehouse=EAST,
        lines=tuple(
            ShipmentLine(line_id=name.removeprefix("line_"), quantity=number)
            for name, number in units.items()
        ),
        note="too (small)",
    )


def the_return(order: ErpOrder | None, return_id: str = "1") -> ErpReturn:
    assert order is not None
    (found,) = [each for each in order.returns if each.return_id == return_id]
    return found


def units(lines: tuple[ShipmentLine, ...]) -> dict[str, int]:
    return {line.line_id: line.quantity for line in lines}


async def test_goods_that_are_authorized_are_expected_and_found_in_every_reading(erp_world: ErpWorld):
    order = await sent_from_two_warehouses(erp_world)
    before = await erp_world.erp.find_order(order.key)
    assert before is not None
    assert before.returns == ()
    answered = await erp_world.erp.authorize_return(announce(order.key, line_11=2, line_13=4))
    expected = the_return(answered)
    assert expected.state is ErpReturnState.EXPECTED
    assert units(expected.expected) == {"11": 2, "13": 4}
    assert (expected.received, expected.credited, expected.total, expected.fee) == ((), (), 0, 0)
    assert expected.number
    # Nothing else of the order is touched.
    assert answered.model_copy(update={"returns": ()}) == before
    assert await erp_world.erp.find_order(order.key) == answered
    assert await erp_world.erp.submit_order(order) == answered
    assert await erp_world.erp.authorize_return(announce(order.key, line_11=2, line_13=4)) == answered


async def test_the_feed_tells_that_goods_are_expected_received_and_expected_no_more(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    feed = await Feed.from_now(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, "1", line_11=3))
    await erp_world.erp.authorize_return(announce(order.key, "2", line_12=1))
    assert the_return(await feed.told(order.key), "1").state is ErpReturnState.EXPECTED
    await erp_world.receive_return(order.key, "1", {TEE: 2})
    received = the_return(await feed.told(order.key), "1")
    assert received.state is ErpReturnState.RECEIVED
    assert units(received.expected) == {"11": 3}
    assert units(received.received) == {"11": 2}
    await erp_world.erp.cancel_return(order.key, "2", "the buyer keeps it")
    assert the_return(await feed.told(order.key), "2").state is ErpReturnState.CANCELED
    assert await feed.told(order.key) is None


class Feed:
    """Reads what is new for one order."""

    def __init__(self, world: ErpWorld, cursor: str) -> None:
        self._world, self._cursor = world, cursor

    @classmethod
    async def from_now(cls, world: ErpWorld) -> "Feed":
        feed = cls(world, (await world.erp.changes(None)).cursor)
        await feed.told(OrderKey(channel="shop", external_id="none"))
        return feed

    async def told(self, key: OrderKey) -> ErpOrder | None:
        found = None
        while True:
            page = await self._world.erp.changes(self._cursor)
            self._cursor = page.cursor
            found = next((order for order in page.orders if order.key == key), found)
            assert page.unreadable == ()
            if not page.more:
                return found


async def test_a_feed_that_starts_late_tells_what_came_in_of_an_order_that_is_over(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_12=2))
    await erp_world.receive_return(order.key, "1")
    (told,) = [each for each in await all_current(erp_world) if each.key == order.key]
    assert units(the_return(told).received) == {"12": 2}


async def all_current(world: ErpWorld) -> list[ErpOrder]:
    """What a feed that starts now tells."""
    page = await world.erp.changes(None)
    orders = list(page.orders)
    while page.more:
        page = await world.erp.changes(page.cursor)
        orders += page.orders
    return orders


async def test_many_authorize_at_once_and_goods_are_expected_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1)
    colleague = erp_world.colleague()
    try:
        for erp in (erp_world.erp, colleague, erp_world.erp):
            await asyncio.gather(erp.authorize_return(request), colleague.authorize_return(request))
        assert units(the_return(await colleague.find_order(order.key)).expected) == {"11": 1}
    finally:
        if colleague is not erp_world.erp:
            await colleague.close()
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_whichever_answer_is_lost_goods_are_expected_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1, line_12=1)
    for lose in (erp_world.lose_answer, erp_world.lose_answer):
        lose()
        try:
            await erp_world.erp.authorize_return(request)
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
    answered = await erp_world.erp.authorize_return(request)
    assert units(the_return(answered).expected) == {"11": 1, "12": 1}
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_kits_come_back_as_whole_kits(erp_world: ErpWorld):
    order = sales_order(kits(erp_world.new_id()))
    submitted = await erp_world.erp.submit_order(order)
    for warehouse in {shipment.warehouse for shipment in submitted.shipments}:
        await erp_world.ship(order.key, warehouse, part=False)
    line = order.lines[0]
    assert line.quantity > 1
    await erp_world.erp.authorize_return(announce(order.key, **{f"line_{line.line_id}": 2}))
    await erp_world.receive_return(order.key, "1", {line.product: 1})
    received = the_return(await erp_world.erp.find_order(order.key))
    assert units(received.expected) == {line.line_id: 2}
    assert units(received.received) == {line.line_id: 1}
    request = credit_of(order, restocked={line.line_id: 1})
    settled = the_return(await erp_world.erp.credit_return(request))
    assert (units(settled.credited), settled.total) == ({line.line_id: 1}, request.total)


async def test_goods_that_are_in_cannot_be_expected_no_more(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_11=1))
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.cancel_return(order.key, "1", "never mind")
    assert caught.value.cause == "return_received"
    assert the_return(await erp_world.erp.find_order(order.key)).state is ErpReturnState.RECEIVED


async def test_a_canceled_return_stays_so_whichever_answer_is_lost(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1)
    await erp_world.erp.authorize_return(request)
    for _ in range(MOST_WRITES):
        erp_world.lose_answer()
        try:
            await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
            break
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
    canceled = await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
    assert the_return(canceled).state is ErpReturnState.CANCELED
    assert await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it") == canceled
    assert await erp_world.erp.authorize_return(request) == canceled
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_units_that_are_expected_no_more_can_be_announced_again(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, "1", line_12=2))
    await erp_world.erp.cancel_return(order.key, "1", "lost on the way")
    answered = await erp_world.erp.authorize_return(announce(order.key, "2", line_12=2))
    assert the_return(answered, "1").state is ErpReturnState.CANCELED
    assert units(the_return(answered, "2").expected) == {"12": 2}


async def test_a_return_that_it_does_not_know_is_expected_no_more_already(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    before = await erp_world.erp.find_order(order.key)
    assert await erp_world.erp.cancel_return(order.key, "17", "never mind") == before


async def test_an_order_it_never_had_has_nothing_to_give_back(erp_world: ErpWorld):
    key = OrderKey(channel="shop", external_id=erp_world.new_id())
    for call in (
        erp_world.erp.authorize_return(announce(key, line_11=1)),
        erp_world.erp.cancel_return(key, "1", "never mind"),
    ):
        with pytest.raises(Rejected) as caught:
            await call
        assert caught.value.cause == "order_unknown"


async def test_a_warehouse_that_it_does_not_know_takes_nothing_in(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1).model_copy(update={"warehouse": "WH-MOON"})
    with pytest.raises(Rejected, match="WH-MOON") as caught:
        await erp_world.erp.authorize_return(request)
    assert caught.value.cause.startswith("warehouse_unknown")
    found = await erp_world.erp.find_order(order.key)
    assert found is not None
    assert found.returns == ()


def credit_of(
    order: SalesOrder,
    return_id: str = "1",
    *,
    restocked: dict[str, int] | None = None,
    scrapped: dict[str, int] | None = None,
    fee: str = "0",
    delivery: bool = False,
) -> ReturnCredit:
    """The units' share of what they were sold for."""
    units = Counter(restocked or {})
    units.update(scrapped or {})
    lines = [
        _credit_line(line, units[line.line_id], order.currency)
        for line in order.lines
        if units[line.line_id] or (delivery and line.kind is SalesLineKind.SHIPPING)
    ]
    taxes: Counter[str] = Counter()
    for line in lines:
        for tax in line.taxes:
            taxes[tax.code] += tax.amount  # type: ignore[assignment]  # counted in cents
    total = sum((line.net for line in lines), Decimal(0)) + sum(taxes.values(), Decimal(0))
    if Decimal(fee):
        lines.append(
            CreditLine(
                line_id=FEE_LINE, kind=SalesLineKind.FEE, product=FEE_PRODUCT, quantity=1, net=Decimal(fee)
            )
        )
    return ReturnCredit(
        key=order.key,
        return_id=return_id,
        number=f"{order.number}-R{return_id}",
        restocked=restocked or {},
        scrapped=scrapped or {},
        lines=tuple(lines),
        total=total - Decimal(fee),
        taxes=tuple(TaxAmount(code=code, amount=Decimal(amount)) for code, amount in taxes.items()),
    )


def _credit_line(line: SalesLine, units: int, currency: str) -> CreditLine:
    part = units or line.quantity
    return CreditLine(
        line_id=line.line_id,
        kind=line.kind,
        product=line.product,
        quantity=part,
        net=proportion(line.net, part, line.quantity, currency),
        taxes=tuple(
            TaxAmount(code=tax.code, amount=proportion(tax.amount, part, line.quantity, currency))
            for tax in line.taxes
        ),
    )


def billed(order: ErpOrder) -> Decimal:
    """What the buyer is asked for, less what is given back."""
    return sum((-x.total if x.is_credit else x.total for x in order.invoices), Decimal(0))


async def came_in(world: ErpWorld, order: SalesOrder, **announced: int) -> None:
    await world.erp.authorize_return(announce(order.key, **announced))
    await world.receive_return(order.key, "1")


async def test_what_is_restocked_is_for_sale_again_and_everything_taken_is_credited(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await came_in(erp_world, order, line_11=3, line_12=1)
    tees, caps = await erp_world.stock(TEE, EAST), await erp_world.stock(CAP, EAST)
    before = await erp_world.erp.find_order(order.key)
    assert before is not None
    feed = await Feed.from_now(erp_world)
    request = credit_of(order, restocked={"11": 2}, scrapped={"12": 1}, fee="4.50")
    answered = await erp_world.erp.credit_return(request)
    settled = the_return(answered)
    assert settled.state is ErpReturnState.SETTLED
    assert units(settled.received) == {"11": 3, "12": 1}
    assert units(settled.credited) == {"11": 2, "12": 1}
    assert (settled.total, settled.fee) == (request.total, Decimal("4.50"))
    assert {t.code: t.amount for t in settled.taxes} == {t.code: t.amount for t in request.taxes}
    # A tee was neither stocked nor written off: it is the buyer's still.
    assert await erp_world.stock(TEE, EAST) == tees + 2
    assert await erp_world.stock(CAP, EAST) == caps
    (note,) = [invoice for invoice in answered.invoices if invoice.is_credit]
    assert (note.state, note.total) == (ErpInvoiceState.POSTED, request.total)
    assert note.number
    assert billed(answered) == order.total - request.total
    # Nothing else of the order is touched.
    parts = {"returns": (), "invoices": ()}
    assert answered.model_copy(update=parts) == before.model_copy(update=parts)
    assert await feed.told(order.key) == answered
    assert await erp_world.erp.credit_return(request) == answered
    assert await erp_world.erp.find_order(order.key) == answered
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.cancel_return(order.key, "1", "never mind")
    assert caught.value.cause == "return_settled"


async def test_a_credit_is_no_second_order(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    begun = await erp_world.now()
    await came_in(erp_world, order, line_11=1)
    await erp_world.erp.credit_return(credit_of(order, restocked={"11": 1}))
    found = await erp_world.erp.find_records(
        "shop", [OrderName(external_id=order.key.external_id, number=order.number)]
    )
    assert [record.key for record in found] == [order.key]
    listed, cursor = [], None
    while True:
        page = await erp_world.erp.list_records("shop", begun, cursor)
        listed += page.records
        if (cursor := page.next_cursor) is None:
            break
    assert not [r for r in listed if r.key != order.key and order.key.external_id in f"{r.key}{r.reference}"]
    assert (await erp_world.books(order.key)).orders == 1
    assert [each.key for each in await all_current(erp_world)].count(order.key) == 1


async def test_money_is_credited_without_goods_where_none_were_expected(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    tees = await erp_world.stock(TEE, EAST)
    request = credit_of(order, scrapped={"11": 4, "12": 2}, delivery=True)
    answered = await erp_world.erp.credit_return(request)
    settled = the_return(answered)
    assert settled.state is ErpReturnState.SETTLED
    assert (settled.expected, settled.received) == ((), ())
    assert units(settled.credited) == {"11": 4, "12": 2}
    assert settled.total == request.total == order.total
    assert billed(answered) == 0
    assert await erp_world.stock(TEE, EAST) == tees
    assert await erp_world.erp.credit_return(request) == answered


async def test_goods_that_are_all_rejected_are_settled_without_a_credit(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await came_in(erp_world, order, line_11=2)
    tees = await erp_world.stock(TEE, EAST)
    answered = await erp_world.erp.credit_return(credit_of(order))
    settled = the_return(answered)
    assert (settled.state, settled.total, settled.credited) == (ErpReturnState.SETTLED, 0, ())
    assert units(settled.received) == {"11": 2}
    assert await erp_world.stock(TEE, EAST) == tees
    assert billed(answered) == order.total
    assert await erp_world.erp.credit_return(credit_of(order)) == answered


async def test_a_rest_may_come_later_and_one_that_does_not_is_not_waited_for(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_11=4))
    feed = await Feed.from_now(erp_world)
    for number in (1, 2):
        await erp_world.receive_return(order.key, "1", {TEE: 1})
        received = the_return(await feed.told(order.key))
        assert (units(received.expected), units(received.received)) == ({"11": 4}, {"11": number})
        assert received.state is ErpReturnState.RECEIVED
    request = credit_of(order, restocked={"11": 2})
    settled = the_return(await erp_world.erp.credit_return(request))
    assert (settled.state, settled.total) == (ErpReturnState.SETTLED, request.total)
    assert units(settled.received) == {"11": 2}
    assert the_return(await feed.told(order.key)) == settled
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1", {TEE: 1})


async def test_whichever_write_is_lost_or_unheard_a_return_is_settled_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await came_in(erp_world, order, line_11=3)
    tees = await erp_world.stock(TEE, EAST)
    request = credit_of(order, restocked={"11": 1}, scrapped={"11": 1}, fee="1.00")
    unheard = 0
    for _ in range(MOST_WRITES):
        # Each attempt gets one write further, and never hears of it.
        erp_world.lose_answer()
        try:
            await erp_world.erp.credit_return(request)
            break
        except OutcomeUnknown:
            unheard += 1
    erp_world.mend_line()
    assert unheard
    answered = await erp_world.erp.credit_return(request)
    settled = the_return(answered)
    assert (settled.state, settled.total) == (ErpReturnState.SETTLED, request.total)
    assert await erp_world.stock(TEE, EAST) == tees + 1
    assert billed(answered) == order.total - request.total
    assert len(answered.invoices) == len({invoice.is_credit for invoice in answered.invoices}) == 2


async def test_a_credit_that_does_not_add_up_changes_nothing(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await came_in(erp_world, order, line_11=1)
    before = await erp_world.erp.find_order(order.key)
    right = credit_of(order, restocked={"11": 1})
    more = right.model_copy(update={"total": right.total + Decimal("0.01")})
    taxed = right.model_copy(
        update={"taxes": (_more(right.taxes[0]), *right.taxes[1:]), "total": right.total + Decimal("0.01")}
    )
    for wrong in (more, taxed):
        with pytest.raises(Rejected) as caught:
            await erp_world.erp.credit_return(wrong)
        assert caught.value.cause == "amounts_differ"
    unknown = right.model_copy(
        update={"lines": (right.lines[0].model_copy(update={"product": "NO-SUCH-THING"}),)}
    )
    with pytest.raises(Rejected, match="NO-SUCH-THING"):
        await erp_world.erp.credit_return(unknown)
    assert await erp_world.erp.find_order(order.key) == before
    settled = the_return(await erp_world.erp.credit_return(right))
    assert settled.total == right.total


def _more(tax: TaxAmount) -> TaxAmount:
    return tax.model_copy(update={"amount": tax.amount + Decimal("0.01")})


async def test_a_canceled_return_is_not_credited(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_11=1))
    await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.credit_return(credit_of(order, restocked={"11": 1}))
    assert caught.value.cause == "return_canceled"
