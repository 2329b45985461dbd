"""The storefront's tax beside what an ERP reckons of it: rounding, a difference within the tolerance, or a refusal.

The storefront's amount is what the buyer paid, so it is never bent: the ERP's own is brought to it, and by what and why
is named. Pure; every ERP adapter reconciles by it.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from domain.erp_order import ErpOrder, TaxAdjustment, TaxAdjustmentCause, TaxAmount
from domain.model import Amount, Frozen
from domain.money import format_money

_NOTHING = Decimal(0)


class TaxReading(Frozen):
    """One tax of one line, as both sides tell it."""

    subject: str
    """In words: ``line 11 (TEE-BLK-M)``."""
    code: str
    """The ERP's."""
    net: Amount
    """What it is charged on."""
    told: Amount
    """By the storefront."""
    reckoned: Amount
    """By the ERP's rate, rounded."""

    @property
    def off(self) -> Decimal:
        """How much more the storefront tells."""
        return self.told - self.reckoned


class TaxesDiffer(Exception):
    """The ERP's rates give other taxes, by more than rounding and the tolerance explain. The message says which."""


def beyond_rounding(
    readings: Iterable[TaxReading], cent: Decimal, tolerance: Decimal
) -> tuple[TaxAmount, ...]:
    """By code, what is off by more than rounding: more than a ``cent`` (the smallest unit) on a line.

    Raises TaxesDiffer where that is more than ``tolerance`` in all, whichever way each tax is off.
    """
    beyond = [reading for reading in readings if abs(reading.off) > cent]
    in_all = sum((abs(reading.off) for reading in beyond), _NOTHING)
    if in_all > tolerance:
        told = "; ".join(
            f"{each.subject}: the store charges {each.told} of {each.code} on {each.net}, the ERP's rate gives "
            f"{each.reckoned}; a difference of {each.off} is more than rounding"
            for each in beyond
        )
        limit = f"; {in_all} in all is above the tolerance of {tolerance}" if tolerance else ""
        raise TaxesDiffer(told + limit)
    return _by_code((reading.code, reading.off) for reading in beyond)


def name_adjustments(beyond: Iterable[TaxAmount], missing: Iterable[TaxAmount]) -> tuple[TaxAdjustment, ...]:
    """What brings the ERP's taxes to the storefront's, by code and cause, sorted.

    ``missing`` is what the storefront has over the ERP in all, ``beyond`` what of it is no rounding; codes may repeat.
    """
    tolerated = {tax.code: tax.amount for tax in _by_code((tax.code, tax.amount) for tax in beyond)}
    off = {tax.code: tax.amount for tax in _by_code((tax.code, tax.amount) for tax in missing)}
    named = []
    for code in sorted(off.keys() | tolerated.keys()):
        tolerated_here = tolerated.get(code, _NOTHING)
        for cause, amount in (
            (TaxAdjustmentCause.ROUNDING, off.get(code, _NOTHING) - tolerated_here),
            (TaxAdjustmentCause.TOLERANCE, tolerated_here),
        ):
            if amount:
                named.append(TaxAdjustment(code=code, cause=cause, amount=amount))
    return tuple(named)


def tolerated_words(erp: ErpOrder) -> str:
    """`` (tax VAT-20 USD 0.02 within the tolerance)``; empty where nothing was tolerated. Rounding is not told."""
    tolerated = [each for each in erp.tax_adjustments if each.cause is TaxAdjustmentCause.TOLERANCE]
    listed = (f"{each.code} {format_money(each.amount, erp.currency)}".strip() for each in tolerated)
    return f" (tax {', '.join(listed)} {TaxAdjustmentCause.TOLERANCE})" if tolerated else ""


def _by_code(amounts: Iterable[tuple[str, Decimal]]) -> tuple[TaxAmount, ...]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for code, amount in amounts:
        sums[code] += amount
    return tuple(TaxAmount(code=code, amount=amount) for code, amount in sorted(sums.items()) if amount)
