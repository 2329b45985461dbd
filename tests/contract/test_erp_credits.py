"""How every ERP settles goods that came back, held against memory and a real Tryton."""

from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpInvoiceState, ErpReturnState, TaxAmount
from domain.listings import OrderName
from tests.contract.coming_back import (
    CAP,
    EAST,
    MOST_WRITES,
    TEE,
    Feed,
    all_current,
    announce,
    billed,
    came_in,
    credit_of,
    sent_order,
    the_return,
    units,
)
from tests.contract.erp_worlds import ErpWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    given = {line.line_id: line for line in request.lines}
    assert {x.line_id: x.net for x in settled.credited} == {x: given[x].net for x in ("11", "12")}
    for line in settled.credited:
        taxed = {tax.code: tax.amount for tax in line.taxes}
        for tax in given[line.line_id].taxes:
            # An ERP that taxes the note as a whole may round a line by itself otherwise.
            assert abs(taxed.pop(tax.code) - tax.amount) <= Decimal("0.01")
        assert taxed == {}
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
