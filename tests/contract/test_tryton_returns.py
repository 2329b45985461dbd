"""Goods that come back to a real Tryton: where they end, what people do by themselves, what goes wrong."""

from decimal import Decimal

import pytest

from adapters.errors import Rejected
from adapters.tryton.erp import TrytonErp
from domain.erp_order import (
    ErpInvoiceState,
    ErpOrder,
    ErpReturn,
    ErpReturnState,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
    TaxAmount,
)
from domain.listings import OrderName
from domain.returns import FEE_LINE, CreditLine, ReturnAuthorization, ReturnCredit
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.contract.tryton_world import (
    EAST,
    WEST,
    ActsBefore,
    TrytonAccess,
    connect,
    delivery,
    goods,
    order_of,
)
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import erp as erp  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]

RETURN = "stock.shipment.out.return"


async def sent(erp: TrytonErp, staff: Staff, *lines) -> SalesOrder:
    order = order_of(*lines)
    await erp.submit_order(order)
    for job in await staff.shipments_to_do([order.key.external_id]):
        await staff.ship(job, part=False)
    return order


def announce(
    order: SalesOrder, return_id: str = "R", warehouse: str = EAST, **units: int
) -> ReturnAuthorization:
    lines = tuple(
        ShipmentLine(line_id=line.removeprefix("line_"), quantity=number) for line, number in units.items()
    )
    return ReturnAuthorization(
        key=order.key, return_id=return_id, number=f"{order.number}-R1", warehouse=warehouse, lines=lines
    )


def credit(
    order: SalesOrder, *lines: CreditLine, return_id: str = "R", **goods_of: dict[str, int]
) -> ReturnCredit:
    taxes: dict[str, Decimal] = {}
    total = Decimal(0)
    for line in lines:
        sign = -1 if line.kind is SalesLineKind.FEE else 1
        total += sign * line.net
        for tax in line.taxes:
            taxes[tax.code] = taxes.get(tax.code, Decimal(0)) + tax.amount
    return ReturnCredit(
        key=order.key,
        return_id=return_id,
        number=f"{order.number}-R1",
        lines=lines,
        total=total + sum(taxes.values(), Decimal(0)),
        taxes=tuple(TaxAmount(code=code, amount=amount) for code, amount in taxes.items()),
        **goods_of,
    )


def back(
    line_id: str, product: str, quantity: int, net: str, taxes: dict[str, str] | None = None
) -> CreditLine:
    return CreditLine(
        line_id=line_id,
        kind=SalesLineKind.GOODS,
        product=product,
        quantity=quantity,
        net=Decimal(net),
        taxes=tuple(TaxAmount(code=code, amount=Decimal(amount)) for code, amount in (taxes or {}).items()),
    )


def the_return(order: ErpOrder | None) -> ErpReturn:
    assert order is not None
    (found,) = order.returns
    return found


async def test_every_unit_ends_where_it_was_decided(erp: TrytonErp, staff: Staff, administrator: Rpc) -> None:
    order = await sent(
        erp, staff, goods("1", "SCARF-WOOL", EAST, 3, "120.00"), goods("2", "KIT-STARTER", EAST, 3, "89.70")
    )
    await erp.authorize_return(announce(order, line_1=3, line_2=3))
    await staff.receive_return(order.key.external_id, "R")
    shelves = [await staff.count_stock(product, EAST) for product in ("SCARF-WOOL", "TEE-BLK-M", "SOCK-GRY")]
    scrap = await pieces_at(administrator, "WH-EAST-SCRAP", "SOCK-GRY")
    request = credit(
        order,
        back("1", "SCARF-WOOL", 1, "40.00"),
        back("2", "KIT-STARTER", 2, "59.80"),
        restocked={"1": 1, "2": 1},
        scrapped={"2": 1},
    )
    settled = the_return(await erp.credit_return(request))
    assert (settled.state, settled.total) == (ErpReturnState.SETTLED, Decimal("99.80"))
    after = [await staff.count_stock(product, EAST) for product in ("SCARF-WOOL", "TEE-BLK-M", "SOCK-GRY")]
    assert [now - then for now, then in zip(after, shelves, strict=True)] == [1, 1, 2]
    assert await pieces_at(administrator, "WH-EAST-SCRAP", "SOCK-GRY") == scrap + 2
    # What is not taken waits where it came in, until the warehouse sends it to the buyer again.
    assert await pieces_at(administrator, "WH-EAST-IN", "SCARF-WOOL") == 2
    assert await staff.send_back(order.key.external_id, "R") == {
        "SCARF-WOOL": 2,
        "TEE-BLK-M": 1,
        "SOCK-GRY": 2,
    }
    assert await pieces_at(administrator, "WH-EAST-IN", "SCARF-WOOL") == 0
    found = await erp.find_order(order.key)
    assert the_return(found) == settled
    # It is no parcel of the order; and it may come back once more.
    assert found is not None
    assert len(found.shipments) == 1
    again = await erp.authorize_return(announce(order, "S", line_1=2))
    assert [each.state for each in again.returns] == [ErpReturnState.SETTLED, ErpReturnState.EXPECTED]


async def pieces_at(administrator: Rpc, place: str, product: str) -> int:
    (location,) = await administrator.find("stock.location", [["code", "=", place]], ["id"])
    (found,) = await administrator.find(
        "product.product", [["code", "=", product]], ["quantity"], locations=[location["id"]]
    )
    return int(found["quantity"])


async def test_shares_of_odd_cents_and_of_several_taxes_are_credited_as_asked(
    erp: TrytonErp, staff: Staff
) -> None:
    order = await sent(
        erp,
        staff,
        goods("1", "STICKER", EAST, 7, "6.10", ("STATE-6.25", "CITY-1.5")),
        goods("2", "PIN-SET", WEST, 3, "10.00", {"VAT-20": Decimal("2.01")}),
        delivery("5.05", "STATE-6.25"),
    )
    shipping = CreditLine(
        line_id="delivery",
        kind=SalesLineKind.SHIPPING,
        product="SHIPPING",
        quantity=1,
        net=Decimal("5.05"),
        taxes=(TaxAmount(code="STATE-6.25", amount=Decimal("0.32")),),
    )
    part_of_a_price = back("2", "PIN-SET", 0, "1.11", {"VAT-20": "0.23"})
    fee = CreditLine(
        line_id=FEE_LINE, kind=SalesLineKind.FEE, product="RESTOCKING-FEE", quantity=1, net=Decimal("0.37")
    )
    request = credit(
        order,
        back("1", "STICKER", 3, "2.62", {"STATE-6.25": "0.17", "CITY-1.5": "0.03"}),
        shipping,
        part_of_a_price,
        fee,
    )
    answered = await erp.credit_return(request)
    settled = the_return(answered)
    assert (settled.total, settled.fee) == (request.total, Decimal("0.37"))
    assert {tax.code: tax.amount for tax in settled.taxes} == {tax.code: tax.amount for tax in request.taxes}
    assert [(x.line_id, x.quantity) for x in settled.credited] == [("1", 3)]
    (note,) = [invoice for invoice in answered.invoices if invoice.is_credit]
    assert (note.total, note.tax, note.state) == (request.total, Decimal("0.75"), ErpInvoiceState.POSTED)


async def test_more_than_is_at_the_buyer_cannot_come_back(erp: TrytonErp, staff: Staff) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    await erp.authorize_return(announce(order, "A", line_1=1))
    with pytest.raises(Rejected, match="1 of line 1") as caught:
        await erp.authorize_return(announce(order, "B", line_1=2))
    assert caught.value.cause == f"return_exceeds_shipped:{order.key}"
    with pytest.raises(Rejected, match="more is to be settled") as caught:
        await erp.credit_return(
            credit(order, back("1", "MUG-LOGO", 2, "18.10"), return_id="A", restocked={"1": 2})
        )
    assert caught.value.cause == f"return_short:{order.key}"
    assert the_return(await erp.find_order(order.key)).state is ErpReturnState.EXPECTED


async def test_goods_that_nobody_received_in_the_erp_are_received_as_they_are_settled(
    erp: TrytonErp, staff: Staff
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 3, "27.15"))
    await erp.authorize_return(announce(order, line_1=3))
    mugs = await staff.count_stock("MUG-LOGO", EAST)
    answered = await erp.credit_return(credit(order, back("1", "MUG-LOGO", 2, "18.10"), restocked={"1": 2}))
    assert the_return(answered).state is ErpReturnState.SETTLED
    assert the_return(answered).received == (ShipmentLine(line_id="1", quantity=2),)
    assert await staff.count_stock("MUG-LOGO", EAST) == mugs + 2
    assert the_return(answered) == the_return((await erp.changes(None)).orders[-1])


async def test_what_people_put_away_otherwise_is_told_and_stays_theirs(
    erp: TrytonErp, staff: Staff, administrator: Rpc
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    await erp.authorize_return(announce(order, line_1=2))
    await staff.receive_return(order.key.external_id, "R")
    (paper,) = await administrator.find(RETURN, [["state", "=", "received"]], ["id"])
    await administrator.press(RETURN, "do", [paper["id"]])
    assert the_return(await erp.find_order(order.key)).state is ErpReturnState.RECEIVED
    price = back("1", "MUG-LOGO", 2, "18.10")
    with pytest.raises(Rejected, match="line 1: 2 on the shelf, 0 written off") as caught:
        await erp.credit_return(credit(order, price, restocked={"1": 1}, scrapped={"1": 1}))
    assert caught.value.cause == f"return_stocked_otherwise:{order.key}"
    settled = the_return(await erp.credit_return(credit(order, price, restocked={"1": 2})))
    assert settled.state is ErpReturnState.SETTLED


async def test_goods_that_come_in_while_the_return_is_canceled_are_kept(
    tryton_server: TrytonAccess, erp: TrytonErp, staff: Staff
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 1, "9.05"))
    await erp.authorize_return(announce(order, line_1=1))
    arriving = ActsBefore(f"model.{RETURN}.cancel", lambda: staff.receive_return(order.key.external_id, "R"))
    async with connect(tryton_server, transport=arriving) as late:
        with pytest.raises(Rejected) as caught:
            await late.cancel_return(order.key, "R", "too late")
    assert caught.value.cause == "return_received"
    assert the_return(await erp.find_order(order.key)).state is ErpReturnState.RECEIVED


async def test_a_return_that_was_made_twice_at_once_is_left_once(
    tryton_server: TrytonAccess, erp: TrytonErp, staff: Staff
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    request = announce(order, line_1=2)
    racing = ActsBefore(f"model.{RETURN}.create", lambda: erp.authorize_return(request))
    async with connect(tryton_server, transport=racing) as late:
        await late.authorize_return(request)
    assert the_return(await erp.find_order(order.key)).expected == (ShipmentLine(line_id="1", quantity=2),)
    await staff.receive_return(order.key.external_id, "R")
    with pytest.raises(LookupError):
        await staff.receive_return(order.key.external_id, "R")


async def test_a_closed_period_holds_the_credit_note_up_and_nothing_is_done_twice(
    erp: TrytonErp, staff: Staff
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    await erp.authorize_return(announce(order, line_1=2))
    await staff.receive_return(order.key.external_id, "R")
    mugs = await staff.count_stock("MUG-LOGO", EAST)
    request = credit(order, back("1", "MUG-LOGO", 2, "18.10"), restocked={"1": 2})
    await staff.close_period()
    try:
        with pytest.raises(Rejected, match="period"):
            await erp.credit_return(request)
    finally:
        await staff.reopen_period()
    assert the_return(await erp.find_order(order.key)).state is ErpReturnState.RECEIVED
    answered = await erp.credit_return(request)
    assert the_return(answered).state is ErpReturnState.SETTLED
    assert await staff.count_stock("MUG-LOGO", EAST) == mugs + 2
    assert sum(invoice.is_credit for invoice in answered.invoices) == 1


async def test_a_return_sale_that_people_make_is_theirs(
    erp: TrytonErp, staff: Staff, administrator: Rpc
) -> None:
    order = await sent(erp, staff, goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    before = await erp.find_order(order.key)
    assert before is not None
    (copy,) = await administrator.call(
        "sale.sale",
        "copy",
        [int(before.erp_id)],
        {"origin": f"sale.sale,{before.erp_id}", "reference": order.number},
    )
    assert await erp.find_order(order.key) == before
    (record,) = await erp.find_records(
        "shop", [OrderName(external_id=order.key.external_id, number=order.number)]
    )
    assert record.key == order.key
    await administrator.call("sale.sale", "delete", [copy])


async def test_a_note_of_an_order_of_which_goods_came_back_is_added_once(
    erp: TrytonErp, staff: Staff, administrator: Rpc
) -> None:
    order = await sent(erp, staff, goods("1", "STICKER", EAST, 7, "6.10", ("STATE-6.25",)))
    answered = await erp.credit_return(credit(order, back("1", "STICKER", 3, "2.62", {"STATE-6.25": "0.17"})))
    note = order.model_copy(
        update={"only": (), "lines": (), "payments": (), "instructions": "Ring at the mill"}
    )
    for _ in range(2):
        outcome = await erp.amend_order(note)
        assert (outcome.refused, outcome.order) == ((), answered)
    (sale,) = await administrator.read("sale.sale", [int(answered.erp_id)], ["comment"])
    assert sale["comment"].count("Ring at the mill") == 1
    assert "Card" in sale["comment"]
