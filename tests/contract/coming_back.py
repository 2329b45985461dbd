"""What the tests of returns share: orders that have left, what is asked for when goods come back, and a feed."""

from collections import Counter
from decimal import Decimal

from domain.erp_order import (
    ErpOrder,
    ErpReturn,
    SalesLine,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
    TaxAmount,
)
from domain.money import proportion
from domain.order import OrderKey
from domain.returns import FEE_LINE, CreditLine, ReturnAuthorization, ReturnCredit
from sandbox.catalog import FEE_PRODUCT
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order, two_warehouses
from tests.order_builder import make_line, make_order, make_shipping

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


async def all_current(world: ErpWorld) -> list[ErpOrder]:
    """What a feed that starts now tells."""
    page = await world.erp.changes(None)
    orders = list(page.orders)
    while page.more:
        page = await world.erp.changes(page.cursor)
        orders += page.orders
    return orders


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
