"""Kits of which parts come back, as every ERP tells and settles them: memory and a real Tryton."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest

from adapters.errors import Rejected
from domain.erp_order import ErpReturnState, SalesLineKind, SalesOrder, TaxAmount
from domain.kit_returns import gross_of, kept_before, piece_of
from domain.money import proportion
from domain.returns import CreditLine, ReturnCredit
from sandbox.catalog import KIT_COMPONENTS, KIT_SKU, PRICES
from tests.contract.coming_back import (
    EAST,
    Feed,
    announce,
    billed,
    credit_of,
    sent_order,
    the_return,
    units,
)
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEE, SOCK = "11/TEE-BLK-M", "11/SOCK-GRY"


async def sent_kits(world: ErpWorld, number: int = 1) -> SalesOrder:
    """So many kits, with taxes, have left the east."""
    line = make_line("11", KIT_SKU, number, unit_price="29.90")
    order = sales_order(make_order(world.new_id(), lines=[line], placement={"11": {"101": number}}))
    await world.erp.submit_order(order)
    await world.ship(order.key, EAST, part=False)
    return order


def of_pieces(order: SalesOrder, kind: SalesLineKind, name: str, number: int, cents: int) -> CreditLine:
    """So many pieces, worth so much without tax, each tax in proportion."""
    (line,) = [each for each in order.lines if each.kind is SalesLineKind.GOODS]
    net = Decimal(cents) / 100
    return CreditLine(
        line_id=name,
        kind=kind,
        product=name.partition("/")[2],
        quantity=number,
        net=net,
        taxes=tuple(
            TaxAmount(code=tax.code, amount=proportion(tax.amount, net, line.net, order.currency))
            for tax in line.taxes
        ),
    )


def with_pieces(credit: ReturnCredit, *pieces: CreditLine) -> ReturnCredit:
    """The credit with pieces held back or given back."""
    taxes: Counter[str] = Counter({tax.code: int(tax.amount * 100) for tax in credit.taxes})
    total = credit.total
    for line in pieces:
        sign = -1 if line.kind is SalesLineKind.KEPT else 1
        total += sign * (line.net + sum((tax.amount for tax in line.taxes), Decimal(0)))
        taxes.update({tax.code: sign * int(tax.amount * 100) for tax in line.taxes})
    return credit.model_copy(
        update={
            "lines": (*credit.lines, *pieces),
            "total": total,
            "taxes": tuple(
                TaxAmount(code=code, amount=Decimal(n) / 100) for code, n in sorted(taxes.items()) if n
            ),
        }
    )


async def test_an_order_tells_what_its_kits_are_made_of(erp_world: ErpWorld):
    order = await sent_kits(erp_world, 2)
    held = await erp_world.erp.find_order(order.key)
    assert held is not None
    parts = {part.product: part for part in held.kits["11"]}
    assert {(each.product, each.quantity) for each in parts.values()} == set(KIT_COMPONENTS)
    weighed = Fraction(parts["TEE-BLK-M"].share) / Fraction(parts["SOCK-GRY"].share)
    assert round(weighed, 9) == round(Fraction(PRICES["TEE-BLK-M"]) / Fraction(PRICES["SOCK-GRY"]), 9)
    plain = await sent_order(erp_world)
    assert (await erp_world.erp.find_order(plain.key)).kits == {}  # type: ignore[union-attr]


async def test_a_kit_that_comes_in_parts_is_whole_with_the_last(erp_world: ErpWorld):
    order = await sent_kits(erp_world)
    feed = await Feed.from_now(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_11=1))
    await erp_world.receive_return(order.key, "1", {"TEE-BLK-M": 1})
    told = the_return(await feed.told(order.key))
    assert (units(told.expected), units(told.received)) == ({"11": 1}, {TEE: 1})
    await erp_world.receive_return(order.key, "1", {"SOCK-GRY": 1})
    assert units(the_return(await feed.told(order.key)).received) == {TEE: 1, SOCK: 1}
    await erp_world.receive_return(order.key, "1", {"SOCK-GRY": 1})
    assert units(the_return(await feed.told(order.key)).received) == {"11": 1}
    before = [await erp_world.stock(sku, EAST) for sku, _ in KIT_COMPONENTS]
    settled = the_return(await erp_world.erp.credit_return(credit_of(order, restocked={"11": 1})))
    assert (settled.state, units(settled.credited), settled.kept) == (
        ErpReturnState.SETTLED,
        {"11": 1},
        (),
    )
    after = [await erp_world.stock(sku, EAST) for sku, _ in KIT_COMPONENTS]
    assert [now - then for now, then in zip(after, before, strict=True)] == [n for _, n in KIT_COMPONENTS]


async def test_pieces_are_announced_come_and_are_credited_less_what_is_missing(erp_world: ErpWorld):
    order = await sent_kits(erp_world, 2)
    asked = announce(order.key, **{f"line_{SOCK}": 3})
    expected = the_return(await erp_world.erp.authorize_return(asked))
    assert units(expected.expected) == {SOCK: 3}
    await erp_world.receive_return(order.key, "1", {"SOCK-GRY": 3})
    # Two of them are taken: a kit counts as back, and its tee is held back for.
    part = credit_of(order, restocked={"11": 1})
    kept = of_pieces(order, SalesLineKind.KEPT, TEE, 1, 1825)
    request = with_pieces(part.model_copy(update={"restocked": {SOCK: 1}, "scrapped": {SOCK: 1}}), kept)
    before = await erp_world.stock("SOCK-GRY", EAST)
    held = await erp_world.erp.credit_return(request)
    settled = the_return(held)
    assert await erp_world.stock("SOCK-GRY", EAST) == before + 1
    assert (settled.state, settled.total, settled.taxes) == (
        ErpReturnState.SETTLED,
        request.total,
        request.taxes,
    )
    assert units(settled.credited) == {"11": 1}
    (told,) = settled.kept
    assert (told.line_id, told.product, told.quantity) == ("11", "TEE-BLK-M", 1)
    assert (told.net, told.taxes) == (kept.net, kept.taxes)
    assert settled.fee == told.gross
    assert settled.total + settled.fee == part.total
    assert await erp_world.erp.credit_return(request) == held
    # The tee comes later, and is given back to the cent: the kit is credited as if it had come whole.
    number = await erp_world.enter_return(order.key, {"TEE-BLK-M": 1}, EAST)
    found = await erp_world.erp.find_order(order.key)
    assert found is not None
    (late,) = [each for each in found.returns if each.return_id != "1"]
    assert (late.number, units(late.received)) == (number, {TEE: 1})
    empty = credit_of(order, late.return_id)
    given = of_pieces(order, SalesLineKind.PIECES, TEE, 1, 1825)
    back = with_pieces(empty.model_copy(update={"restocked": {TEE: 1}}), given)
    after = await erp_world.erp.credit_return(back)
    second = the_return(after, late.return_id)
    assert (second.state, second.total, units(second.credited)) == (
        ErpReturnState.SETTLED,
        back.total,
        {},
    )
    assert second.fee == -told.gross
    assert gross_of(kept_before(after.returns)) == 0
    assert sum(each.total for each in after.returns) == part.total
    assert billed(after) in {after.total - part.total, -part.total}, "what was sold may not be invoiced yet"


async def test_no_more_pieces_come_back_than_have_left(erp_world: ErpWorld):
    order = await sent_kits(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, **{f"line_{piece_of('11', 'TEE-BLK-M')}": 1}))
    await erp_world.receive_return(order.key, "1")
    with pytest.raises((Rejected, LookupError, ValueError)):
        await erp_world.receive_return(order.key, "1", {"TEE-BLK-M": 1})
    assert units(the_return(await erp_world.erp.find_order(order.key)).received) == {TEE: 1}
