"""From the storefront's order to the order the ERP is asked for. Pure: the same order gives the same plan.

Every part of a line (net, each tax) is whole minor units; a line that ships from several warehouses is
divided so that the parts sum to it exactly. A plan that does not add up to the order's own totals is
refused, never bent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal

from domain.adding_up import adjustment, sum_by_code
from domain.differences import Acceptance, PlanRefused
from domain.erp_order import (
    SalesLine,
    SalesLineKind,
    SalesOrder,
    SalesParty,
    SalesPayment,
    TaxAmount,
)
from domain.exchanges import as_sold, only_exchange, only_lines
from domain.gifts import gift_facts
from domain.mapping import Mapping
from domain.money import format_money, is_whole
from domain.order import (
    ExtraCharge,
    LineKind,
    Order,
    OrderLine,
    PaymentKind,
    PaymentStatus,
    ShippingCharge,
    TaxLine,
)
from domain.preorders import unreadable_release
from domain.quantities import units_returned
from domain.status import count_units
from domain.tax_allocation import PartAmount, divide_line, whole_of

_NOTHING = Decimal(0)


def ignore_reason(order: Order) -> str | None:
    """Why the order never goes to the ERP, in words; None where it does."""
    if order.test:
        return "test order: the store marked it as one, so nothing is shipped or charged"
    if all(line.current == 0 for line in order.lines) and order.total == 0:
        return "nothing left: every line stands at quantity 0 and nothing is to be charged"
    return None


def plan_sales_order(order: Order, mapping: Mapping, acceptances: Collection[Acceptance] = ()) -> SalesOrder:
    """Translate a storefront order, as it was sold, by its mapping; exchanges are planned apart (``plan_exchange``).

    Where a person accepted that the order does not add up, just so, or its tax is off within the mapping's tolerance, a
    line of its own brings it to its total.

    Raises PlanRefused where the order itself is at fault, Unmapped where the mapping lacks an entry.
    """
    order = as_sold(order)
    _refuse_after_return(order, "what was sold cannot be entered or changed")
    return _plan(order, mapping, acceptances)


def plan_exchange(order: Order, return_id: str, mapping: Mapping) -> SalesOrder:
    """The order of what the buyer gets for a return, to be entered beside the one that was sold.

    Raises PlanRefused, Unmapped.
    """
    part = only_exchange(order, return_id)
    _refuse_after_return(part, "what came in exchange cannot be changed")
    planned = _plan(part, mapping, ())
    number = next(each.number for each in order.returns if each.return_id == return_id)
    carriers = [mapping.carrier(charge.code) for charge in order.shipping]
    return planned.model_copy(
        update={
            "number": number,
            "exchange_id": return_id,
            "carrier": carriers[0] if carriers else None,
            "instructions": "\n".join(filter(None, [f"Exchange for return {number}", planned.instructions])),
        }
    )


def plan_lines(order: Order, lines: Collection[str], mapping: Mapping) -> SalesOrder:
    """Nothing but these lines of an order, of which none came back. Raises PlanRefused, Unmapped."""
    part = only_lines(order, lines).model_copy(update={"fees": ()})
    duties = sum((whole_of(order, duty).gross for duty in part.duties), _NOTHING)
    taxes = sum((tax.amount for duty in part.duties for tax in duty.taxes), _NOTHING)
    totals = {"total": part.total + duties, "total_tax": part.total_tax + taxes}
    return _plan(part.model_copy(update=totals), mapping, ())


def _refuse_after_return(order: Order, what: str) -> None:
    if back := units_returned(order):
        line = min(back)
        raise PlanRefused(
            f"edit_after_return:{order.key}",
            f"{count_units(back[line])} of line {line} came back and got refunded, so {what} any more; undo the edit "
            "in the store, and it goes on by itself",
        )


def _plan(order: Order, mapping: Mapping, acceptances: Collection[Acceptance]) -> SalesOrder:
    goods = [part for line in order.lines if line.current for part in _goods(order, line, mapping)]
    charges = [part for charge in order.shipping for part in _delivery(order, charge, mapping)]
    charges += _extra_charges(order, mapping)
    lines = (*goods, *charges)
    lines += adjustment(order, lines, mapping, acceptances)
    carriers = [mapping.carrier(charge.code) for charge in order.shipping]
    company = mapping.company(order.customer.company_id) if order.customer.company_id else None
    return SalesOrder(
        key=order.key,
        number=order.number,
        mapping_version=mapping.version,
        placed_at=order.placed_at,
        currency=order.currency,
        party=_party(order, company.party if company else None),
        billing_address=order.billing_address,
        shipping_address=order.shipping_address,
        price_list=company.price_list if company else None,
        carrier=carriers[0] if carriers else None,
        lines=lines,
        payments=_payments(order, mapping),
        total=order.total,
        taxes=sum_by_code(tax for line in lines for tax in line.taxes),
        tax_tolerance=mapping.tax_tolerance,
        instructions=_instructions(order, goods, mapping),
        complete_only=mapping.backorders.holds_back,
    )


def require_release(order: Order, mapping: Mapping) -> None:
    """Raises PlanRefused where a line should say when it may leave, and nobody can read it."""
    rules = mapping.preorders
    if rules.attribute and (line := unreadable_release(order, rules)) is not None:
        raise PlanRefused(
            f"release_unreadable:{rules.attribute}",
            f"line {line.line_id} ({line.title}): its attribute {rules.attribute!r} holds "
            f"{line.attributes[rules.attribute]!r} and no day; write it as 2026-12-24 in the store, or remove it, "
            "then resubmit",
        )


def map_taxes(taxes: Iterable[TaxLine], mapping: Mapping) -> dict[str, Decimal]:
    """ERP code -> amount, titles of one code summed; rate 0 with amount 0 is no tax. Raises Unmapped."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for tax in taxes:
        if tax.rate or tax.amount:
            sums[mapping.tax_code(tax.title, tax.rate)] += tax.amount
    return dict(sums)


def _goods(order: Order, line: OrderLine, mapping: Mapping) -> tuple[SalesLine, ...]:
    """The sales lines of an order line, one a warehouse."""
    name = f"line {line.line_id} ({line.title})"
    product = _product(line, name, mapping)
    warehouses = _warehouses(order, line, name, mapping) if line.requires_shipping else {None: line.current}
    _require_bookable(order, name, whole_of(order, line))
    parts = divide_line(order, line, tuple(warehouses.values()))
    return tuple(
        SalesLine(
            line_id=line.line_id,
            kind=SalesLineKind.TIP if line.kind is LineKind.TIP else SalesLineKind.GOODS,
            product=product,
            warehouse=warehouse,
            quantity=quantity,
            net=part.net,
            taxes=_taxes(part, mapping),
            description=line.title,
        )
        for (warehouse, quantity), part in zip(warehouses.items(), parts, strict=True)
    )


def _product(line: OrderLine, name: str, mapping: Mapping) -> str:
    if line.kind is LineKind.TIP:
        return mapping.charge_product("tip")
    sku = (line.sku or "").strip()
    if not sku:
        raise PlanRefused(
            f"sku_missing:{line.title}",
            f"{name} has no SKU, so its product is not known; give it a SKU in the store, then resubmit",
        )
    return mapping.product(sku)


def _warehouses(order: Order, line: OrderLine, name: str, mapping: Mapping) -> dict[str | None, int]:
    """Warehouse -> units of the line it ships, as the storefront's location plans have it."""
    units: defaultdict[str, int] = defaultdict(int)
    for plan in order.location_plans:
        for part in plan.lines:
            # A closed plan counts with what left from it: the rest was moved to another plan or canceled.
            quantity = part.quantity if plan.open else part.quantity - part.remaining
            if part.line_id == line.line_id and quantity > 0:
                units[mapping.warehouse(plan.location)] += quantity
    placed = sum(units.values())
    if not placed:
        raise PlanRefused(
            "no_location",
            f"{name}: no location ships its {line.current} units; assign one in the store, then resubmit",
        )
    if placed != line.current:
        raise PlanRefused(
            "locations_differ",
            f"{name}: {line.current} units are ordered but the locations are to ship {placed}; "
            "mend the fulfillment locations in the store, then resubmit",
        )
    # Sorted, so that a second reading of the order in another sequence gives the same plan.
    return dict(sorted(units.items()))


def _delivery(order: Order, charge: ShippingCharge, mapping: Mapping) -> tuple[SalesLine, ...]:
    """The sales line of a shipping charge; none where delivery is free."""
    name = f"shipping charge {charge.charge_id} ({charge.title})"
    return _charge(order, charge, mapping, name, SalesLineKind.SHIPPING, mapping.shipping_product)


def _extra_charges(order: Order, mapping: Mapping) -> list[SalesLine]:
    """Duties and fees; those of no price are nowhere booked."""
    lines: list[SalesLine] = []
    for duty in (duty for duty in order.duties if duty.price):
        name = f"duty {duty.charge_id} ({duty.title})"
        product = mapping.charge_product("duty")
        lines += _charge(order, duty, mapping, name, SalesLineKind.DUTY, product)
    for fee in (fee for fee in order.fees if fee.price):
        name = f"fee {fee.charge_id} ({fee.title})"
        product = mapping.charge_product("fee", fee.title)
        lines += _charge(order, fee, mapping, name, SalesLineKind.SURCHARGE, product)
    return lines


def _charge(  # noqa: PLR0917  a charge, and what it is booked as
    order: Order,
    charge: ShippingCharge | ExtraCharge,
    mapping: Mapping,
    name: str,
    kind: SalesLineKind,
    product: str,
) -> tuple[SalesLine, ...]:
    whole = whole_of(order, charge)
    _require_bookable(order, name, whole)
    taxes = _taxes(whole, mapping)
    if not whole.net and not any(tax.amount for tax in taxes):
        return ()
    line = SalesLine(
        line_id=charge.charge_id,
        kind=kind,
        product=product,
        warehouse=None,
        quantity=1,
        net=whole.net,
        taxes=taxes,
        description=charge.title,
    )
    return (line,)


def _require_bookable(order: Order, name: str, whole: PartAmount) -> None:
    """A price after discounts must be an amount that can be booked. Raises PlanRefused."""
    price = whole.gross if order.taxes_included else whole.net
    for amount in (price, *(tax.amount for tax in whole.taxes)):
        if not is_whole(amount, order.currency):
            raise PlanRefused(
                "amount_too_fine",
                f"{name} holds {format_money(amount, order.currency)}, which has fractions of the currency's "
                "smallest unit; round its price, discount or tax in the store, then resubmit",
            )
    if whole.net < 0:
        raise PlanRefused(
            "discount_exceeds_price",
            f"{name} would cost {format_money(whole.net, order.currency)} without tax: its discounts or taxes "
            "exceed its price; mend them in the store, then resubmit",
        )


def _taxes(part: PartAmount, mapping: Mapping) -> tuple[TaxAmount, ...]:
    return tuple(
        TaxAmount(code=code, amount=amount) for code, amount in map_taxes(part.taxes, mapping).items()
    )


def _party(order: Order, code: str | None) -> SalesParty:
    """Who is invoiced. References say their kind: customer 5001 is not the guest of order 5001."""
    customer = order.customer
    if customer.company_id:
        reference, name = f"company:{customer.company_id}", customer.company_name or customer.name
    elif customer.external_id:
        reference, name = f"customer:{customer.external_id}", customer.name
    else:
        reference, name = f"order:{order.key.external_id}", customer.name
    address = order.billing_address or order.shipping_address
    return SalesParty(
        code=code,
        reference=f"{order.key.channel}:{reference}",
        name=name.strip() or (address.name if address else "") or f"Guest of {order.number}",
        email=customer.email,
    )


def _payments(order: Order, mapping: Mapping) -> tuple[SalesPayment, ...]:
    """How the buyer pays: what was authorized or paid and not voided, also a transfer still awaited."""
    voided = {
        p.parent_id
        for p in order.payments
        if p.kind is PaymentKind.VOID and p.status is PaymentStatus.SUCCESS
    }
    return tuple(
        SalesPayment(method=mapping.payment_method(p.gateway), amount=p.amount)
        for p in order.payments
        if p.kind in {PaymentKind.AUTHORIZATION, PaymentKind.SALE}
        and p.status is not PaymentStatus.FAILED
        and p.payment_id not in voided
    )


def _instructions(order: Order, goods: list[SalesLine], mapping: Mapping) -> str:
    """What people at the ERP must know, one fact a line: the buyer's own note first."""
    terms = mapping.payment_terms(order.customer.company_id)
    facts = [order.note.strip()] if order.note.strip() else []
    facts += gift_facts(order, mapping.gifts)
    facts += [f"Delivery: {charge.title} ({charge.code})" for charge in order.shipping]
    warehouses = sorted({line.warehouse for line in goods if line.warehouse})
    if len(warehouses) > 1:
        facts.append(f"Ships in parts from {' and '.join(warehouses)}")
    if order.customer.company_id:
        facts.append(f"Company order: {order.customer.company_name or order.customer.company_id}")
    if terms:
        facts.append(f"Paid later, on terms: {terms}")
    if order.presentment_currency != order.currency:
        facts.append(
            f"The buyer pays {format_money(order.presentment_total, order.presentment_currency)} "
            f"for {format_money(order.total, order.currency)}"
        )
    return "\n".join(facts)
