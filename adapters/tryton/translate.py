"""From ``SalesOrder`` to the sale that Tryton is to hold. Pure: ids were looked up before.

Tryton computes net and tax itself, so ``plan_sale`` chooses unit prices and, where a tax is a cent off, adds a line
of the product TAX-ROUNDING: price zero, a quantity that is the number of cents, and a tax of a fixed cent on the same
account as the real tax. What is off by more is no rounding: within the order's tolerance it is booked in the same way,
named otherwise, and above it is refused.

A sale of which something may leave before units come off has such a line for each of its taxes, of no cents where none
is off: Tryton can change quantities of a sale in process, but add no lines (``lowering``). It invoices no spare one.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adapters.errors import Rejected
from adapters.tryton.amounts import (
    EndlessRounding,
    LineTax,
    PricedPart,
    round_half_up,
    split_for_net,
    taxes_of,
)
from adapters.tryton.notes import line_note, rounding_note
from domain.erp_order import (
    SalesLine,
    SalesLineKind,
    SalesOrder,
    TaxAdjustment,
    TaxAdjustmentCause,
    TaxAmount,
)
from domain.model import Amount, Frozen
from domain.tax_reconciliation import TaxesDiffer, TaxReading, beyond_rounding, name_adjustments

EXCHANGE_MARK: Final = "/exchange/"
"""Stands in the web id of a sale for an exchange: after the order's, before the return's."""
SUPPLEMENT_MARK: Final = "/supplement/"
"""The same of a sale for what an edit added to an order that was on its way already; a number follows."""
ROUNDING_PRODUCT: Final = "TAX-ROUNDING"
ROUNDING_SUFFIX: Final = "-ROUNDING"
_OPERATION: Final = "translate order"


class ProductReference(Frozen):
    """A product as a sale line needs it."""

    id: int
    unit: int
    ships: bool
    """Goods and kits; a service is not shipped."""


class WarehouseReference(Frozen):
    """A warehouse and the places in it that goods move between."""

    id: int
    storage: int
    """Where is picked from."""
    output: int
    input: int
    shelf: int
    """Where goods that came in are put."""


class PartyReference(Frozen):
    """Who buys, and the addresses of this order."""

    id: int
    invoice_address: int
    shipment_address: int
    payment_term: int | None = None
    invoice_alike: frozenset[int] = frozenset()
    """Addresses of the party that say the same as ``invoice_address``, also those that no new sale may use."""
    shipment_alike: frozenset[int] = frozenset()

    def says(self, invoice_address: int | None, shipment_address: int | None) -> bool:
        """Whether a sale with these addresses goes where the order does: one keeps those of a party replaced since."""
        invoiced, shipped = (
            {self.invoice_address, *self.invoice_alike},
            {self.shipment_address, *self.shipment_alike},
        )
        return invoice_address in invoiced and shipment_address in shipped


class References(Frozen):
    """Ids in Tryton of everything that one order names."""

    company: int
    shop: int
    currency: int
    currency_step: Amount
    products: dict[str, ProductReference]
    taxes: dict[str, LineTax]
    warehouses: dict[str, WarehouseReference]
    carrier: int | None = None
    price_list: int | None = None


class PlannedLine(NamedTuple):
    """A sale line to be; comparable with what Tryton holds."""

    product: int
    quantity: Decimal
    unit_price: Decimal
    taxes: frozenset[int]
    note: str


LineValues = tuple[PlannedLine, dict[str, Any]]
"""A line, and what ``sale.sale.create`` takes for it."""


class SalePlan(Frozen):
    """A sale to be: ``values`` for ``sale.sale.create``, and what it must come to."""

    values: dict[str, Any]
    lines: tuple[PlannedLine, ...]
    """Those that have units: spare ones for rounding come to nothing, and sales of older versions lack them."""


def real_tax(code: str) -> str:
    """The tax that a tax code counts to: ``VAT-20-ROUNDING`` counts to ``VAT-20``."""
    return code.removesuffix(ROUNDING_SUFFIX)


def plan_sale(order: SalesOrder, party: PartyReference, references: References, mark: str = "") -> SalePlan:
    """The sale that comes to the order's amounts to the cent, tax by tax.

    ``mark``: what stands in its web id behind the order's where it is one beside the order's own.
    Raises Rejected with cause ``amounts_differ``, the difference named, where that cannot be.
    """
    check_sums(order)
    # A supplement's taxes are the order's less those of its other sales, each of which may be rounded by one.
    steps = 2 if mark.startswith(SUPPLEMENT_MARK) else 1
    lines, adjustments = plan_lines(order.lines, references, steps=steps, tolerance=order.tax_tolerance)
    lines += rounding_lines(adjustments, references)
    _check_services(order, references)
    ships = any(references.products[line.product].ships for line in order.lines if line.quantity)
    main = main_warehouse(order)
    values: dict[str, Any] = {
        "company": references.company,
        "web_shop": references.shop,
        "web_id": f"{order.key.external_id}{mark}",
        "reference": order.number,
        "description": f"{_what(mark)} {order.number} of {order.key.channel}",
        "party": party.id,
        "invoice_address": party.invoice_address,
        "shipment_address": party.shipment_address,
        "payment_term": party.payment_term,
        "currency": references.currency,
        "warehouse": references.warehouses[main].id if main else None,
        "price_list": references.price_list,
        "carrier": references.carrier if ships else None,
        # Delivery is a line of the order with the price that the buyer was told; Tryton shall not add its own.
        "shipment_cost_method": None,
        # One invoice for the whole order: over partial invoices a tax would split into cents.
        "invoice_method": "order",
        "shipment_method": "order",
        "comment": order_comment(order),
    }
    spare = _spare_lines(order, adjustments, references)
    return SalePlan(
        values={**values, "lines": numbered([*lines, *spare])}, lines=tuple(planned for planned, _ in lines)
    )


def _what(mark: str) -> str:
    if mark.startswith(SUPPLEMENT_MARK):
        return "Supplement to"
    return "Exchange" if mark else "Order"


def exchange_mark(return_id: str) -> str:
    """``mark`` of the sale for the exchange of a return."""
    return f"{EXCHANGE_MARK}{return_id}"


def plan_lines(
    lines: Iterable[SalesLine], references: References, *, steps: int = 1, tolerance: Decimal = Decimal(0)
) -> tuple[list[LineValues], tuple[TaxAdjustment, ...]]:
    """Sale lines, and what the store's taxes have over what Tryton makes of them.

    ``steps``: by how many of the currency's smallest units a line's tax may be off for rounding; ``tolerance``: by how
    much all of them may be beyond that. Raises Rejected, cause ``amounts_differ``, where it is more.
    """
    planned: list[LineValues] = []
    missing: list[TaxAmount] = []
    readings: list[TaxReading] = []
    for line in lines:
        if line.quantity == 0 and not line.net and not any(tax.amount for tax in line.taxes):
            continue
        parts = _parts(line, references.currency_step)
        planned += [_sale_line(line, part, references) for part in parts]
        missing += _missing_tax(line, references)
        readings += _readings(line, references)
    try:
        beyond = beyond_rounding(readings, steps * references.currency_step, tolerance)
    except TaxesDiffer as differ:
        raise _differ(str(differ)) from differ
    return planned, name_adjustments(beyond, missing)


def rounding_lines(adjustments: Iterable[TaxAdjustment], references: References) -> list[LineValues]:
    """Sale lines that bring each tax to the cent. Raises Rejected, cause ``rounding_missing``."""
    return [_rounding_line(each, references) for each in adjustments]


def _spare_lines(
    order: SalesOrder, adjustments: Iterable[TaxAdjustment], references: References
) -> list[LineValues]:
    """A rounding line of no cents for each tax that has none, where units may come off once others have left.

    Left out where the ERP cannot book rounding of that tax: nothing is off yet, and the order is as good without.
    """
    if sum(line.quantity for line in order.lines if line.kind is SalesLineKind.GOODS) < 2:  # noqa: PLR2004
        return []
    rounded = {each.code for each in adjustments if each.cause is TaxAdjustmentCause.ROUNDING}
    codes = {tax.code for line in order.lines for tax in line.taxes} - rounded
    return [
        _cents_line(product, 0, tax, rounding_note(TaxAdjustmentCause.ROUNDING, code))
        for code in sorted(codes)
        if (product := references.products.get(ROUNDING_PRODUCT)) is not None
        and (tax := references.taxes.get(code + ROUNDING_SUFFIX)) is not None
    ]


def numbered(lines: list[LineValues]) -> list[Any]:
    """Tryton's command that makes these lines, in this order."""
    return [["create", [{**values, "sequence": number} for number, (_, values) in enumerate(lines, 1)]]]


_SERVICES: Final = {
    SalesLineKind.ADJUSTMENT: ("an accepted difference", "as adjustment_product"),
    SalesLineKind.TIP: ("a tip", "in [charges]"),
    SalesLineKind.DUTY: ("a duty", "in [charges]"),
    SalesLineKind.SURCHARGE: ("a fee", "in [charges]"),
}
"""What is no parcel: what it is in words, and where the mapping names its product."""


def _check_services(order: SalesOrder, references: References) -> None:
    """Nobody ships what is none of the goods. Raises Rejected, cause ``product_unsuitable``."""
    for line in order.lines:
        if line.kind in _SERVICES and references.products[line.product].ships:
            what, where = _SERVICES[line.kind]
            raise Rejected(
                "tryton",
                _OPERATION,
                f"product {line.product} is to book {what}, but it is goods; make it a service, or "
                f"name a service {where} of the mapping, then resubmit",
                f"product_unsuitable:tryton:{line.product}",
            )


def main_warehouse(order: SalesOrder) -> str | None:
    """The warehouse that ships most units; a sale of Tryton has one, shipments are split off afterwards."""
    units: dict[str, int] = defaultdict(int)
    for line in order.lines:
        if line.warehouse:
            units[line.warehouse] += line.quantity
    return min(units, key=lambda code: (-units[code], code)) if units else None


def order_comment(order: SalesOrder) -> str:
    """What people at the ERP should know: instructions, how it is paid, where it came from."""
    paid = [f"Paid by {payment.method}: {payment.amount} {order.currency}" for payment in order.payments]
    origin = f"Placed {order.placed_at:%Y-%m-%d %H:%M} UTC; mapping {order.mapping_version}"
    return "\n".join([*([order.instructions] if order.instructions else []), *paid, origin])


def check_sums(order: SalesOrder) -> None:
    """The order's lines must come to its total and to its taxes. Raises Rejected, cause ``amounts_differ``."""
    by_code = sum_taxes(tax for line in order.lines for tax in line.taxes)
    net = sum((line.net for line in order.lines), Decimal(0))
    require_equal(order, net + sum(by_code.values(), Decimal(0)), by_code, "its lines come to")


def sum_taxes(taxes: Iterable[TaxAmount]) -> dict[str, Decimal]:
    """Amounts by code."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for tax in taxes:
        amounts[tax.code] += tax.amount
    return dict(amounts)


def require_equal(order: SalesOrder, total: Decimal, taxes: dict[str, Decimal], who: str) -> None:
    """Compare an order's total and each tax with what ``who`` says. Raises Rejected, cause ``amounts_differ``."""
    expected = sum_taxes(order.taxes)
    differences = [
        f"tax {code}: the store says {expected.get(code, Decimal(0))}, {who} {taxes.get(code, Decimal(0))}"
        for code in sorted(expected.keys() | taxes.keys())
        if expected.get(code, Decimal(0)) != taxes.get(code, Decimal(0))
    ]
    if order.total != total:
        off = total - order.total
        differences.insert(0, f"total: the store says {order.total}, {who} {total}, a difference of {off}")
    if differences:
        raise Rejected(
            "tryton", _OPERATION, f"order {order.number}: " + "; ".join(differences), "amounts_differ"
        )


def _parts(line: SalesLine, step: Decimal) -> tuple[PricedPart, ...]:
    if line.quantity == 0:
        raise _differ(f"line {line.line_id} ({line.product}) has no units but costs {line.net}")
    if line.net % step:
        raise _differ(
            f"line {line.line_id} ({line.product}): net {line.net} is finer than the currency's {step}"
        )
    return split_for_net(line.quantity, line.net, step)


def _line_taxes(line: SalesLine, references: References) -> list[LineTax]:
    """The taxes that Tryton computes on a line.

    None where they are too small for its rounding, which would go on for ever: such a line's tax (a cent or so) is
    booked by the rounding line alone.
    """
    taxes = [references.taxes[code] for code in dict.fromkeys(tax.code for tax in line.taxes)]
    step = references.currency_step
    try:
        for part in _parts(line, step):
            taxes_of(part.quantity, part.unit_price, taxes, step)
    except EndlessRounding:
        return []
    return taxes


def _sale_line(line: SalesLine, part: PricedPart, references: References) -> LineValues:
    product = references.products[line.product]
    taxes = [tax.id for tax in _line_taxes(line, references)]
    note = line_note(line)
    values = _line_values(product, part.quantity, part.unit_price, taxes, note)
    values["description"] = line.description or None
    planned = PlannedLine(product.id, Decimal(part.quantity), part.unit_price, frozenset(taxes), note)
    return planned, values


def _missing_tax(line: SalesLine, references: References) -> list[TaxAmount]:
    """What the store's taxes have over those that Tryton will reckon."""
    step = references.currency_step
    taxes = _line_taxes(line, references)
    foretold: dict[int, Decimal] = defaultdict(Decimal)
    for part in _parts(line, step):
        for number, amount in taxes_of(part.quantity, part.unit_price, taxes, step).items():
            foretold[number] += amount
    return [
        TaxAmount(code=code, amount=amount - foretold[references.taxes[code].id])
        for code, amount in sum_taxes(line.taxes).items()
    ]


def _readings(line: SalesLine, references: References) -> list[TaxReading]:
    """The store's taxes beside what Tryton's rates give."""
    return [
        TaxReading(
            subject=f"line {line.line_id} ({line.product})",
            code=code,
            net=line.net,
            told=amount,
            reckoned=round_half_up(
                line.net * (references.taxes[code].rate or Decimal(0)), references.currency_step
            ),
        )
        for code, amount in sum_taxes(line.taxes).items()
    ]


def _rounding_line(adjustment: TaxAdjustment, references: References) -> LineValues:
    code, difference = adjustment.code, adjustment.amount
    rounding, product = (
        references.taxes.get(code + ROUNDING_SUFFIX),
        references.products.get(ROUNDING_PRODUCT),
    )
    cent = (rounding.amount if rounding else None) or Decimal(0)
    if rounding is None or product is None or not cent or difference % cent:
        raise Rejected(
            "tryton",
            _OPERATION,
            f"the store's {code} is {difference:+} off the ERP's; to book that, the ERP needs a salable service "
            f"{ROUNDING_PRODUCT} and a tax {code}{ROUNDING_SUFFIX} of a fixed cent",
            f"rounding_missing:tryton:{code}",
        )
    cents = int(difference / cent)
    return _cents_line(product, cents, rounding, rounding_note(adjustment.cause, code, difference))


def _cents_line(product: ProductReference, cents: int, tax: LineTax, note: str) -> LineValues:
    planned = PlannedLine(product.id, Decimal(cents), Decimal(0), frozenset({tax.id}), note)
    return planned, _line_values(product, cents, Decimal(0), [tax.id], note)


def _line_values(
    product: ProductReference, quantity: int, unit_price: Decimal, taxes: list[int], note: str
) -> dict[str, Any]:
    return {
        "type": "line",
        "product": product.id,
        # Quantities are floats in Tryton's protocol; whole numbers of this size are exact in them.
        "quantity": float(quantity),
        "unit": product.unit,
        "unit_price": unit_price,
        "taxes": [["add", taxes]],
        "note": note,
    }


def needed_codes(order: SalesOrder) -> tuple[set[str], set[str], set[str]]:
    """Codes of the products, taxes and warehouses that ``plan_sale`` needs, those for rounding aside."""
    products = {line.product for line in order.lines}
    taxes = {tax.code for line in order.lines for tax in line.taxes}
    warehouses = {line.warehouse for line in order.lines if line.warehouse}
    return products, taxes, warehouses


def _differ(reason: str) -> Rejected:
    return Rejected("tryton", _OPERATION, reason, "amounts_differ")
