"""What a sale of Tryton comes to, part by part. Pure."""

from collections import defaultdict
from decimal import Decimal

from adapters.tryton.amounts import net_of, taxes_of
from adapters.tryton.notes import adjustment_cause
from adapters.tryton.records import LineRecord, SaleRecord
from adapters.tryton.translate import real_tax
from domain.adding_up import sum_by_code
from domain.erp_order import TAX_ADJUSTMENT_LINE, TaxAdjustment, TaxAdjustmentCause, TaxAmount


def tax_amounts(sale: SaleRecord) -> dict[str, Decimal]:
    """Tax by code, a rounding tax counted to its real one.

    Tryton tells the sum only; the parts are computed as it computes them, and a sum that differs all the same (say,
    taxes rounded per document) stands under the code ``unexplained`` so that no comparison misses it.
    """
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in sale.order_lines:
        for code, amount in _line_taxes(sale, line):
            amounts[real_tax(code)] += amount
    unexplained = sale.tax_amount - sum(amounts.values(), Decimal(0))
    if unexplained:
        amounts["unexplained"] = unexplained
    return dict(amounts)


def amounts_of(sale: SaleRecord) -> tuple[Decimal, dict[str, Decimal]]:
    """What the sale's lines come to in all, and tax by code, as Tryton will compute them; none where it is nothing."""
    taxes: dict[str, Decimal] = defaultdict(Decimal)
    net = Decimal(0)
    for line in sale.order_lines:
        net += net_of(line.units, line.unit_price or Decimal(0), sale.currency.rounding)
        for code, amount in _line_taxes(sale, line):
            taxes[real_tax(code)] += amount
    return net + sum(taxes.values(), Decimal(0)), {code: amount for code, amount in taxes.items() if amount}


def net_of_line(sale: SaleRecord, line_id: str) -> Decimal:
    """What the lines of that id come to without tax."""
    nets = (amounts_of_line(sale, line)[0] for line in sale.order_lines if line.origin[0] == line_id)
    return sum(nets, Decimal(0))


def amounts_of_line(sale: SaleRecord, line: LineRecord) -> tuple[Decimal, tuple[TaxAmount, ...]]:
    """What a line comes to without tax, and its taxes, as Tryton computes them on it."""
    net = net_of(line.units, line.unit_price or Decimal(0), sale.currency.rounding)
    taxes = [TaxAmount(code=real_tax(code), amount=amount) for code, amount in _line_taxes(sale, line)]
    return net, sum_by_code(taxes)


def tax_adjustments(sale: SaleRecord) -> tuple[TaxAdjustment, ...]:
    """What brings the sale's taxes to the storefront's, by the lines that say so."""
    booked = net_of_line(sale, TAX_ADJUSTMENT_LINE)
    tolerated = [TaxAdjustment(code="", cause=TaxAdjustmentCause.TOLERANCE, amount=booked)] if booked else []
    named = [
        TaxAdjustment(code=real_tax(code), cause=cause, amount=amount)
        for line in sale.order_lines
        if (cause := adjustment_cause(line.note)) is not None
        for code, amount in _line_taxes(sale, line)
        if amount
    ]
    return (*tolerated, *sorted(named, key=lambda each: (each.code, each.cause)))


def _line_taxes(sale: SaleRecord, line: LineRecord) -> list[tuple[str, Decimal]]:
    """Each tax's code and amount, as Tryton computes it on a line."""
    taxes = {tax.id: tax.line_tax() for tax in line.taxes}
    price = line.unit_price or Decimal(0)
    amounts = taxes_of(line.units, price, tuple(taxes.values()), sale.currency.rounding)
    return [(taxes[tax].code, amount) for tax, amount in amounts.items()]
