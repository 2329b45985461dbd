"""What the memory ERP reckons of an order's taxes by its own rates, and what they are adjusted by. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from domain.erp_order import (
    TAX_ADJUSTMENT_LINE,
    SalesOrder,
    TaxAdjustment,
    TaxAdjustmentCause,
    TaxAmount,
)
from domain.money import minor_digits, round_money
from domain.tax_reconciliation import TaxReading, beyond_rounding, name_adjustments


def tax_adjustments(order: SalesOrder, rates: Mapping[str, Decimal] | None) -> tuple[TaxAdjustment, ...]:
    """What brings this ERP's taxes to the storefront's. Without rates it takes the storefront's as they are.

    Raises TaxesDiffer where more is off than rounding and the order's tolerance explain.
    """
    readings = [
        TaxReading(
            subject=f"line {line.line_id} ({line.product})",
            code=tax.code,
            net=line.net,
            told=tax.amount,
            reckoned=round_money(line.net * (rates or {})[tax.code], order.currency),
        )
        for line in order.lines
        for tax in line.taxes
        if tax.code in (rates or {})
    ]
    cent = Decimal(1).scaleb(-minor_digits(order.currency))
    beyond = beyond_rounding(readings, cent, order.tax_tolerance)
    named = name_adjustments(beyond, (TaxAmount(code=each.code, amount=each.off) for each in readings))
    lines = tuple(
        TaxAdjustment(code="", cause=TaxAdjustmentCause.TOLERANCE, amount=line.net)
        for line in order.lines
        if line.line_id == TAX_ADJUSTMENT_LINE
    )
    return (*lines, *named)
