"""Edits of a placed order: lines, quantities, prices, discounts, delivery, address, note."""

from collections.abc import Callable
from decimal import Decimal

from sandbox.store.money import ZERO, Both
from sandbox.store.outbox import Outbox
from sandbox.store.payloads import Delta, EditSummary
from sandbox.store.placing import additions, address_record, check_codes, discount_application, plan_line
from sandbox.store.plans import add_to_plan, location_of, move_units, take_off_plans
from sandbox.store.pricing import DiscountTerms, taxes_on
from sandbox.store.records import AllocationRecord, LineRecord, NotAllowed, OrderRecord
from sandbox.store.requests import DEFAULT_LOCATION, EditLine, EditOrder, PlaceDiscount, PlaceTax
from sandbox.store.state import State
from sandbox.store.status import is_paid


def edit(state: State, outbox: Outbox, order: OrderRecord, request: EditOrder) -> OrderRecord:
    """Make changes together. Raises NotAllowed where one of them is not possible; then none is made.

    Announces ``orders/edited`` for what changes lines or delivery, and for address and note, as Shopify does, no more
    than ``orders/updated``.
    """
    if order.cancelled_at:
        msg = f"{order.name} is canceled and cannot be edited"
        raise NotAllowed(msg)
    before = order.model_copy(deep=True)
    with state.transaction():
        for change in request.lines:
            _change_line(state, order, change)
        _add(state, order, request)
        if request.shipping_address:
            check_codes("CountryCode", [request.shipping_address.country_code])
            order.shipping_address = address_record(request.shipping_address)
        if request.note is not None:
            order.note = request.note
        if order == before:
            return order
        summary = _summary(state, before, order)
        if summary:
            order.edited = True
        state.save_order(order)
        if summary:
            outbox.announce_edit(order, summary)
        else:
            outbox.announce(order)
        if is_paid(order) and not is_paid(before):
            outbox.announce(order, "orders/paid")
    return order


def pick_line(order: OrderRecord, line: int) -> LineRecord:
    """A line by its id, or its place from 1 on. Raises NotAllowed."""
    by_id = {each.id: each for each in order.lines}
    if line in by_id:
        return by_id[line]
    if 1 <= line <= len(order.lines):
        return order.lines[line - 1]
    msg = f"{order.name} has no line {line}; its lines are {', '.join(map(str, by_id))}"
    raise NotAllowed(msg)


def _change_line(state: State, order: OrderRecord, change: EditLine) -> None:
    line = pick_line(order, change.line)
    if change.quantity is not None:
        wanted = max(0, change.quantity)
        if wanted < line.current:
            _lower(state, order, line, line.current - wanted)
        elif wanted > line.current:
            _raise(state, order, line, wanted - line.current)
    if change.price is not None:
        line.unit_price = order.currencies.convert(change.price)
        if line.unit_price.shop != change.price.quantize(order.currencies.units.shop):
            msg = f"the price {change.price} has more digits than {order.currencies.shop}"
            raise NotAllowed(msg)
    if change.discount:
        _discount(order, line, change.discount)
    if change.price is not None or change.discount:
        _tax_anew(order, line)


def _lower(state: State, order: OrderRecord, line: LineRecord, units: int) -> None:
    if units > order.open_units(line):
        msg = (
            f"{order.shipped(line.id)} units of line {line.id} have left;"
            f" at most {order.open_units(line)} can be removed"
        )
        raise NotAllowed(msg)
    line.current -= units
    take_off_plans(state, order, line, units)


def _raise(state: State, order: OrderRecord, line: LineRecord, units: int) -> None:
    location = location_of(order, line) or DEFAULT_LOCATION
    for duty in line.duties:
        duty.price = order.currencies.share(duty.price, line.quantity + units, line.quantity)
        for tax in duty.taxes:
            tax.amount = order.currencies.share(tax.amount, line.quantity + units, line.quantity)
    line.quantity += units
    line.current += units
    if line.requires_shipping:
        add_to_plan(state, order, line, location, units)
        move_units(state, order, line.id, location, available=-units, committed=units)
    _tax_anew(order, line)


def _discount(order: OrderRecord, line: LineRecord, discount: PlaceDiscount) -> None:
    left = line.gross - line.discount

    def taken(part: Callable[[Both], Decimal]) -> Decimal:
        fixed = None if discount.amount is None else part(order.currencies.convert(discount.amount))
        terms = DiscountTerms(amount=fixed, percent=discount.percent)
        return terms.of(part(left), part(order.currencies.units))

    amount = Both(shop=taken(lambda both: both.shop), presentment=taken(lambda both: both.presentment))
    order.applications.append(discount_application(discount, order.currencies))
    line.discounts.append(AllocationRecord(application=len(order.applications) - 1, amount=amount))


def _tax_anew(order: OrderRecord, line: LineRecord) -> None:
    """Taxes on what the line comes to now. Raises NotAllowed where its discounts are more than its price."""
    base = line.gross - line.discount
    if min(base.shop, base.presentment) < 0:
        msg = f"line {line.id} would cost less than the {line.discount.shop} of its discounts"
        raise NotAllowed(msg)
    rates, units = [tax.rate for tax in line.taxes], order.currencies.units
    shop = taxes_on(base.shop, rates, units.shop, included=order.taxes_included)
    presentment = taxes_on(base.presentment, rates, units.presentment, included=order.taxes_included)
    for tax, a, b in zip(line.taxes, shop, presentment, strict=True):
        tax.amount = Both(shop=a, presentment=b)


def _add(state: State, order: OrderRecord, request: EditOrder) -> None:
    taxes = request.taxes
    if taxes is None:
        taxes = tuple(PlaceTax(title=tax.title, rate=tax.rate) for tax in order.lines[0].taxes)
    lines, charges = additions(state, order, request.add, request.shipping, taxes)
    order.lines += lines
    for line, wanted in zip(lines, request.add, strict=True):
        plan_line(state, order, line, wanted)
        for part in wanted.parts if line.requires_shipping else ():
            move_units(
                state, order, line.id, part.location, available=-part.quantity, committed=part.quantity
            )
    if charges:
        refunded = [c for c in order.shipping if order.shipping_refunded(c) and not c.removed]
        if refunded:
            msg = f"delivery {refunded[0].title!r} was refunded in part and cannot be replaced"
            raise NotAllowed(msg)
        for charge in order.shipping:
            charge.removed = True
        order.shipping += charges


def _summary(state: State, before: OrderRecord, after: OrderRecord) -> EditSummary | None:
    """What changed of lines and delivery; None for nothing."""
    old = {line.id: line for line in before.lines}
    deltas = [(line, line.current - (old[line.id].current if line.id in old else 0)) for line in after.lines]
    priced = [
        line
        for line in after.lines
        if line.id in old
        and (line.unit_price, line.discount) != (old[line.id].unit_price, old[line.id].discount)
    ]
    were = {charge.id for charge in before.shipping if not charge.removed}
    are = {charge.id for charge in after.shipping if not charge.removed}
    if not (any(delta for _, delta in deltas) or priced or were != are):
        return None
    return EditSummary(
        id=state.next_id("edit"),
        added=tuple(Delta(id=line.id, delta=delta) for line, delta in deltas if delta > 0),
        removed=tuple(Delta(id=line.id, delta=-delta) for line, delta in deltas if delta < 0),
        discounted=tuple(Delta(id=line.id) for line in priced if line.discount != ZERO),
        shipping_added=tuple(Delta(id=each) for each in sorted(are - were)),
        shipping_removed=tuple(Delta(id=each) for each in sorted(were - are)),
    )
