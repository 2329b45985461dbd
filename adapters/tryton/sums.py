"""What a sale of Tryton comes to, part by part. Pure."""

from collections import defaultdict
from decimal import Decimal

from adapters.tryton.amounts import net_of, taxes_of
from adapters.tryton.records import SaleRecord
from adapters.tryton.translate import real_tax


def tax_amounts(sale: SaleRecord) -> dict[str, Decimal]:
    """Tax by code, a rounding tax counted to its real one.

    Tryton tells the sum only; the parts are computed as it computes them, and a sum that differs all the same (say,
    taxes rounded per document) stands under the code ``unexplained`` so that no comparison misses it.
    """
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in sale.order_lines:
        taxes = {tax.id: tax.line_tax() for tax in line.taxes}
        price = line.unit_price or Decimal(0)
        for tax, amount in taxes_of(line.units, price, tuple(taxes.values()), sale.currency.rounding).items():
            amounts[real_tax(taxes[tax].code)] += amount
    unexplained = sale.tax_amount - sum(amounts.values(), Decimal(0))
    if unexplained:
        amounts["unexplained"] = unexplained
    return dict(amounts)


def net_of_line(sale: SaleRecord, line_id: str) -> Decimal:
    """What the lines of that id come to without tax."""
    nets = (
        net_of(line.units, line.unit_price or Decimal(0), sale.currency.rounding)
        for line in sale.order_lines
        if line.origin[0] == line_id
    )
    return sum(nets, Decimal(0))
