"""What lines, tips, duties, fees and delivery of a shop's order cost now: pure, no I/O.

Shopify tells taxes, discounts and duties of a line for all units it ever had; the order's own totals say what is left.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapters.errors import ContractBroken
from adapters.shopify import answers
from adapters.shopify.answer import SYSTEM
from adapters.shopify.remaining import Part, shares_left
from domain.money import minor_digits
from domain.order import Discount, DiscountScope, ExtraCharge, LineKind, OrderLine, ShippingCharge, TaxLine

READ_ORDER: Final = "read order"
TIP: Final = "tip"
"""``line_id`` of a tip that stands on no line of the shop's."""
DUTY: Final = "duty-"
"""Before a duty's id, which may be that of a line as well."""
FEE: Final = "fee-"

Taxes = Mapping[str, tuple[TaxLine, ...]]
"""Where in the answer -> its taxes."""

_TaxKey = tuple[str, Decimal]


def lines_of(answer: answers.Order, taxes: Taxes) -> tuple[OrderLine, ...]:
    """Order lines with the taxes, discounts and duties of the units that are left; a tip among them."""
    discounts = _discounts_left(answer)
    duties = _duties_left(answer, taxes)
    tips = tip_lines(answer)
    lines = tuple(
        OrderLine(
            line_id=line.id,
            sku=line.sku or None,
            title=line.name,
            ordered=line.quantity,
            current=line.current_quantity,
            unit_price=line.original_unit_price_set.shop_money.amount,
            discounts=discounts[line.id],
            taxes=taxes[f"lineItems.{line.id}"],
            duties=duties[line.id],
            requires_shipping=line.requires_shipping,
            kind=LineKind.TIP if line.id in tips else LineKind.GOODS,
            attributes={each.key: each.value or "" for each in line.custom_attributes},
        )
        for line in answer.line_items.nodes
    )
    tip = answer.total_tip_received_set.shop_money.amount
    alone = bool(tip) and not tips and answer.cancelled_at is None
    return (*lines, _tip_alone(tip)) if alone else lines


def tip_lines(answer: answers.Order) -> frozenset[str]:
    """Ids of the lines that are tips. Shopify has no word for them on a line, only their sum on the order.

    A tip has no SKU and can never be shipped; where such lines come to another sum, it is the one of that amount.
    """
    tip = answer.total_tip_received_set.shop_money.amount
    costs = {
        line.id: line.original_unit_price_set.shop_money.amount * line.quantity
        for line in answer.line_items.nodes
        if not line.sku and not line.requires_shipping and line.non_fulfillable_quantity == line.quantity
    }
    if not tip or sum(costs.values(), Decimal(0)) == tip:
        return frozenset(costs if tip else ())
    return frozenset([line for line, cost in costs.items() if cost == tip][:1])


def _tip_alone(amount: Decimal) -> OrderLine:
    """A tip that stands on no line, as from a till."""
    return OrderLine(
        line_id=TIP,
        sku=None,
        title="Tip",
        ordered=1,
        current=1,
        unit_price=amount,
        requires_shipping=False,
        kind=LineKind.TIP,
    )


def taxes_left(answer: answers.Order) -> Taxes:
    """Taxes on the units that are left of each line, and on what is left of each charge; by their path."""
    left: dict[_TaxKey, Decimal] = defaultdict(Decimal)
    for tax in answer.current_tax_lines:
        left[_tax_key(tax, "order.currentTaxLines")] += tax.price_set.shop_money.amount
    cents = 10 ** minor_digits(answer.currency_code)
    taxed = [
        (f"lineItems.{line.id}", line.tax_lines, line.quantity, line.current_quantity)
        for line in answer.line_items.nodes
    ]
    taxed += [
        (f"duties.{duty.id}", duty.tax_lines, line.quantity, line.current_quantity)
        for line, duty in _duties(answer)
    ]
    # A fee is owed whole until the order is canceled.
    taxed += [(f"additionalFees.{fee.id}", fee.tax_lines, 1, 1) for fee in _fees(answer)]
    taxed += [
        (
            f"shippingLines.{charge_id}",
            charge.tax_lines,
            int(_discounted(charge) * cents),
            int(_current_price(charge) * cents),
        )
        for charge_id, charge in _charges(answer)
    ]
    cut: dict[_TaxKey, list[tuple[str, int, Part]]] = defaultdict(list)
    amounts: dict[tuple[str, int], Decimal] = {}
    for path, taxes, whole, current in taxed:
        for index, tax in enumerate(taxes):
            key = _tax_key(tax, f"order.{path}.taxLines")
            amount = tax.price_set.shop_money.amount
            if current == whole:
                amounts[path, index] = amount
                left[key] -= amount
            elif current:
                cut[key].append((path, index, Part(amount, whole, current)))
    for key, places in cut.items():
        shares = shares_left([part for _, _, part in places], [left[key]], answer.currency_code)
        amounts.update({(path, index): share for (path, index, _), share in zip(places, shares, strict=True)})
    return {
        path: tuple(
            TaxLine(title=tax.title, rate=rate_of(tax, f"order.{path}"), amount=amounts[path, index])
            for index, tax in enumerate(taxes)
            if (path, index) in amounts
        )
        for path, taxes, _, _ in taxed
    }


def _discounts_left(answer: answers.Order) -> dict[str, tuple[Discount, ...]]:
    on_goods = answer.current_total_discounts_set.shop_money.amount
    on_delivery = sum(
        (
            d.allocated_amount_set.shop_money.amount
            for _, c in _charges(answer)
            for d in c.discount_allocations
        ),
        Decimal(0),
    )
    cut: list[tuple[str, int, Part]] = []
    amounts: dict[tuple[str, int], Decimal] = {}
    for line in answer.line_items.nodes:
        for index, allocation in enumerate(line.discount_allocations):
            amount = allocation.allocated_amount_set.shop_money.amount
            if line.current_quantity == line.quantity:
                amounts[line.id, index] = amount
                on_goods -= amount
            elif line.current_quantity:
                cut.append((line.id, index, Part(amount, line.quantity, line.current_quantity)))
    # whether the order's total of discounts counts those on delivery is told both ways
    totals = [on_goods - on_delivery, on_goods]
    shares = shares_left([part for _, _, part in cut], totals, answer.currency_code)
    amounts.update({(line_id, index): share for (line_id, index, _), share in zip(cut, shares, strict=True)})
    return {
        line.id: tuple(
            _discount(allocation, amounts[line.id, index])
            for index, allocation in enumerate(line.discount_allocations)
            if amounts.get((line.id, index))
        )
        for line in answer.line_items.nodes
    }


def _discount(allocation: answers.DiscountAllocation, amount: Decimal) -> Discount:
    application = allocation.discount_application
    on_order = (
        application.target_type is answers.TargetType.LINE_ITEM
        and application.target_selection is answers.TargetSelection.ALL
        and application.allocation_method is answers.AllocationMethod.ACROSS
    )
    scope = DiscountScope.ORDER if on_order else DiscountScope.LINE
    return Discount(title=application.title, scope=scope, amount=amount)


def _duties(answer: answers.Order) -> tuple[tuple[answers.LineItem, answers.Duty], ...]:
    """Those that are charged, each with its line."""
    if answer.duties_included:
        return ()
    return tuple((line, duty) for line in answer.line_items.nodes for duty in line.duties)


def _duties_left(answer: answers.Order, taxes: Taxes) -> dict[str, tuple[ExtraCharge, ...]]:
    """Line -> duties on the units that are left of it."""
    charged = _duties(answer)
    told = answer.current_total_duties_set
    untouched = [duty for line, duty in charged if line.current_quantity == line.quantity]
    left = sum((duty.price.shop_money.amount for duty in untouched), Decimal(0))
    cut = [(line, duty) for line, duty in charged if line.current_quantity != line.quantity]
    shares = shares_left(
        [Part(duty.price.shop_money.amount, line.quantity, line.current_quantity) for line, duty in cut],
        [told.shop_money.amount - left] if told else [],
        answer.currency_code,
    )
    prices = {duty.id: duty.price.shop_money.amount for duty in untouched}
    prices |= {duty.id: share for (_, duty), share in zip(cut, shares, strict=True)}
    duties: dict[str, list[ExtraCharge]] = {line.id: [] for line in answer.line_items.nodes}
    for line, duty in charged:
        duties[line.id].append(
            ExtraCharge(
                charge_id=f"{DUTY}{duty.id}",
                title=" ".join(filter(None, ("Duty", duty.harmonized_system_code, "on", line.name))),
                price=prices[duty.id],
                taxes=taxes[f"duties.{duty.id}"],
            )
        )
    return {line: tuple(each) for line, each in duties.items()}


def _fees(answer: answers.Order) -> tuple[answers.AdditionalFee, ...]:
    return () if answer.cancelled_at else answer.additional_fees


def fees_of(answer: answers.Order, taxes: Taxes) -> tuple[ExtraCharge, ...]:
    """Fees on the order; a canceled one owes none."""
    return tuple(
        ExtraCharge(
            charge_id=f"{FEE}{fee.id}",
            title=fee.name,
            price=fee.price.shop_money.amount,
            taxes=taxes[f"additionalFees.{fee.id}"],
        )
        for fee in _fees(answer)
    )


def shipping_of(answer: answers.Order, taxes: Taxes) -> tuple[ShippingCharge, ...]:
    """Charges for delivery that were not taken off the order again, less what was refunded of them."""
    return tuple(
        ShippingCharge(
            charge_id=charge_id,
            title=charge.title,
            code=charge.code or charge.title,
            price=charge.original_price_set.shop_money.amount - _discounted(charge) + _current_price(charge),
            discounts=tuple(
                _discount(allocation, allocation.allocated_amount_set.shop_money.amount)
                for allocation in charge.discount_allocations
                if allocation.allocated_amount_set.shop_money.amount
            ),
            taxes=taxes[f"shippingLines.{charge_id}"],
        )
        for charge_id, charge in _charges(answer)
    )


def _charges(answer: answers.Order) -> tuple[tuple[str, answers.ShippingLine], ...]:
    there = [charge for charge in answer.shipping_lines.nodes if not charge.is_removed]
    return tuple((charge.id or f"{answer.id}-{index}", charge) for index, charge in enumerate(there))


def _discounted(charge: answers.ShippingLine) -> Decimal:
    """As it was bought, after discounts."""
    return charge.original_price_set.shop_money.amount - sum(
        (d.allocated_amount_set.shop_money.amount for d in charge.discount_allocations), Decimal(0)
    )


def _current_price(charge: answers.ShippingLine) -> Decimal:
    """After discounts and refunds."""
    return charge.current_discounted_price_set.shop_money.amount


def rate_of(tax: answers.TaxLine, at: str) -> Decimal:
    """The rate of a tax as a fraction. Raises ContractBroken where it has none."""
    if tax.rate is not None:
        return tax.rate
    if tax.rate_percentage is not None:
        return tax.rate_percentage / 100
    reason = f"{at}: the tax {tax.title!r} has no rate; set one in the store's tax settings"
    raise ContractBroken(SYSTEM, READ_ORDER, reason, tax.model_dump_json())


def _tax_key(tax: answers.TaxLine, at: str) -> _TaxKey:
    return tax.title, rate_of(tax, at)
