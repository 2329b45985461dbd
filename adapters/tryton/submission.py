"""Brings an order into Tryton, from wherever an earlier try left it.

nothing -> draft -> quotation -> (amounts compared) -> confirmed -> processing -> shipments at their warehouses
"""

from decimal import Decimal
from typing import Final, NamedTuple

from adapters.errors import ContractBroken, Rejected
from adapters.spans import looked_up
from adapters.tryton.parties import PartyBook
from adapters.tryton.reading import is_in_force, read_order
from adapters.tryton.records import SaleRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, Sales
from adapters.tryton.shipments import Allocation
from adapters.tryton.sums import tax_amounts
from adapters.tryton.translate import (
    PartyReference,
    PlannedLine,
    SalePlan,
    plan_lines,
    plan_sale,
    require_equal,
    sum_taxes,
)
from domain.erp_order import ErpOrder, SalesOrder, TaxAmount

OPEN: Final = frozenset({"draft", "quotation", "confirmed"})
"""States in which a sale binds nobody yet: a submission is under way, or was interrupted."""
_STEPS: Final = 8
_STOCK_WARNING: Final = "stock_quantity_warning_"


class Beside(NamedTuple):
    """Where a sale is entered that ships beside an order's own."""

    sale: int
    """Id of the order's own."""
    mark: str
    """What stands in its web id behind the order's."""


class Held(NamedTuple):
    """Which of an order's content a sale has already."""

    terms: bool
    """Party, addresses and carrier."""
    lines: bool
    comment: bool

    @property
    def everything(self) -> bool:
        """There is nothing to change."""
        return self.terms and self.lines and self.comment


class Submission:
    """Submits orders. ``backorder`` says whether what is not in stock is sold all the same."""

    def __init__(
        self,
        rpc: TrytonRpc,
        sales: Sales,
        references: ReferenceBook,
        allocation: Allocation,
        *,
        backorder: bool,
    ) -> None:
        self._rpc = rpc
        self._sales = sales
        self._references = references
        self._parties = PartyBook(rpc, references)
        self._allocation = allocation
        self._backorder = backorder

    async def submit(self, order: SalesOrder, *, beside: Beside | None = None) -> ErpOrder:
        """See ``ErpPort.submit_order``. One ``beside`` the order's own sale is told by itself."""
        try:
            return await self._submit(order, beside)
        except Rejected:
            # Whatever was wrong is mended at the ERP: look at it anew next time.
            self._references.forget()
            raise

    async def holds(self, order: SalesOrder, sale: SaleRecord, mark: str = "") -> Held:
        """How much of the order's content the sale has. Raises Rejected for what the ERP does not know."""
        references = await self._references.of_order(order)
        party = await self._parties.of_order(order)
        if party.says(sale.invoice_address, sale.shipment_address):
            # What it keeps of a party that was replaced since says the same: nothing is to be changed.
            addresses = {
                "invoice_address": party.invoice_address,
                "shipment_address": party.shipment_address,
            }
            sale = sale.model_copy(update=addresses)
        return _compare_content(sale, plan_sale(order, party, references, mark))

    async def party_of(self, order: SalesOrder) -> PartyReference:
        """The order's party and addresses, made where they are missing. Raises Rejected for a party of a code."""
        return await self._parties.of_order(order)

    async def planned(self, order: SalesOrder, mark: str = "") -> tuple[PlannedLine, ...]:
        """The lines that a sale of the order would have. Raises Rejected for what the ERP does not know."""
        references = await self._references.of_order(order)
        return plan_sale(order, await self._parties.of_order(order), references, mark).lines

    async def planned_parts(self, order: SalesOrder) -> tuple[PlannedLine, ...]:
        """The lines that a sale would have for some lines of an order; what rounding they ask for is left out."""
        references = await self._references.of_order(order)
        lines, _ = plan_lines(order.lines, references, tolerance=order.tax_tolerance)
        return tuple(planned for planned, _ in lines)

    async def align(self, sale: SaleRecord) -> ErpOrder:
        """The order, its shipments at the warehouses that its sale names."""
        return read_order(await self._allocation.align(sale))

    async def _submit(self, order: SalesOrder, beside: Beside | None) -> ErpOrder:
        sale = await self._find(order, beside)
        looked_up(SYSTEM, "order", found=sale is not None)
        if sale is None or sale.state in OPEN:
            sale = await self._entered(order, sale, beside)
            sale = await self._advanced(order, sale)
        if sale.state == "cancelled":
            return read_order(sale)
        _compare(order, sale)
        return read_order(await self._allocation.align(sale))

    async def _find(self, order: SalesOrder, beside: Beside | None) -> SaleRecord | None:
        """The sale of the order, or the one beside it that is meant."""
        sale = await self._sales.find(order.key)
        return sale if sale is None or beside is None else sale.marked(beside.mark)

    async def _entered(self, order: SalesOrder, left: SaleRecord | None, beside: Beside | None) -> SaleRecord:
        """A sale with exactly the order's content; what an earlier try left with another content is replaced."""
        references = await self._references.of_order(order)
        mark = "" if beside is None else beside.mark
        plan = plan_sale(order, await self._parties.of_order(order), references, mark)
        if left is not None:
            if _compare_content(left, plan).everything:
                return left
            await self.remove(left)
        try:
            values = plan.values if beside is None else {**plan.values, "origin": f"{SALE},{beside.sale}"}
            made = await self._rpc.call("create sale", f"model.{SALE}.create", [values], writes=True)
        except Rejected:
            # Tryton keeps web shop and web id unique: somebody else may have entered the order just now.
            if (sale := await self._find(order, beside)) is not None:
                return sale
            raise
        if not isinstance(made, list) or len(made) != 1:
            raise ContractBroken(SYSTEM, "create sale", "the answer is not one id", str(made))
        # A new sale is a draft: nothing of it has to be read before it is quoted.
        await self._press(made[0], "quote")
        return await self._sales.get(made[0])

    async def _advanced(self, order: SalesOrder, sale: SaleRecord) -> SaleRecord:
        """The sale confirmed and processed; amounts are compared when Tryton has quoted it, before it binds."""
        for _ in range(_STEPS):
            match sale.state:
                case "draft":
                    button = "quote"
                case "quotation":
                    await self._compare_or_remove(order, sale)
                    button = "confirm"
                case "confirmed":
                    # Confirm processes too, but answers as if all were well when that fails: here it tells why.
                    await self._compare_or_remove(order, sale)
                    button = "process"
                case _:
                    return sale
            before = sale.state
            try:
                await self._press(sale.id, button)
            except Rejected:
                sale = await self._sales.get(sale.id)
                if sale.state == before:
                    raise
            else:
                sale = await self._sales.get(sale.id)
        raise ContractBroken(SYSTEM, "process sale", f"sale {sale.number} stays {sale.state}", str(sale))

    async def _press(self, sale: int, button: str) -> None:
        """Press a button of the sale.

        The only warning that is acknowledged is that of missing stock. The storefront has sold the goods already; to
        refuse the order here would not unsell them, so Tryton is to hold it and ship as stock arrives (backorder).
        """
        await self._sales.press(sale, button, acknowledge=self._acknowledges)

    def _acknowledges(self, warning: str, words: str) -> bool:
        if not warning.startswith(_STOCK_WARNING):
            return False
        if not self._backorder:
            raise Rejected(SYSTEM, "check stock", words, "out_of_stock")
        return True

    async def _compare_or_remove(self, order: SalesOrder, sale: SaleRecord) -> None:
        """Nothing of a refused order stays in the ERP, so that a mended one starts clean."""
        try:
            _compare(order, sale)
        except Rejected:
            await self.remove(sale)
            raise

    async def remove(self, sale: SaleRecord) -> None:
        """Throw away a sale that binds nobody yet."""
        if sale.state != "draft":
            await self._sales.press(sale.id, "draft")
        await self._rpc.call("delete draft sale", f"model.{SALE}.delete", [sale.id], writes=True)


def _compare(order: SalesOrder, sale: SaleRecord) -> None:
    if sale.currency.code != order.currency:
        reason = f"order {order.number} is in {order.currency}, the ERP holds it in {sale.currency.code}"
        raise Rejected(SYSTEM, "compare amounts", reason, "amounts_differ")
    # Of an order that was told whole: what edits added is a part of it.
    together = (sale, *(each for each in sale.supplements if is_in_force(each)))
    taxes = sum_taxes(
        TaxAmount(code=code, amount=tax) for each in together for code, tax in tax_amounts(each).items()
    )
    require_equal(order, sum((each.total_amount for each in together), Decimal(0)), taxes, "the ERP says")


def _compare_content(sale: SaleRecord, plan: SalePlan) -> Held:
    """Whether what an earlier try left is what we would enter now."""
    values = plan.values
    header = (sale.party, sale.invoice_address, sale.shipment_address, sale.carrier)
    warehouse = sale.warehouse.id if sale.warehouse else None
    wanted = tuple(values[name] for name in ("party", "invoice_address", "shipment_address", "carrier"))
    held = sorted((line.planned() for line in sale.order_lines if line.units), key=str)
    lines = warehouse == values["warehouse"] and held == sorted(plan.lines, key=str)
    return Held(terms=header == wanted, lines=lines, comment=sale.comment == values["comment"])
