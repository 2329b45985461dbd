"""Refunds: units, delivery and money given back, each in part or whole, and what units and delivery are worth."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from domain.model import Amount, Frozen, Quantity
from sandbox.store import payments
from sandbox.store.charge_records import DutyRecord, RefundDutyRecord, TaxRecord
from sandbox.store.editing import pick_line
from sandbox.store.money import Both, allocate, half_up
from sandbox.store.money_records import RefundLineRecord, RefundRecord, RefundShippingRecord, Restock
from sandbox.store.outbox import Outbox
from sandbox.store.plans import location_of, move_units, take_off_plans
from sandbox.store.records import LineRecord, NotAllowed, OrderRecord, ShippingRecord
from sandbox.store.requests import DEFAULT_LOCATION, GiveBack
from sandbox.store.state import State
from sandbox.store.status import is_paid


class RefundUnits(Frozen):
    """Units of a line to give back."""

    line_id: int
    quantity: Quantity
    restock: Restock
    location_id: int | None = None


class RefundWish(Frozen):
    """What to give back besides money. ``shipping`` is in the buyer's currency, without its tax unless included."""

    lines: tuple[RefundUnits, ...] = ()
    shipping: Amount | Literal["all"] = Decimal(0)
    duties: tuple[int, ...] = ()
    """Those that go back in proportion to their lines' units."""
    note: str = ""


def give_back(state: State, outbox: Outbox, order: OrderRecord, request: GiveBack) -> RefundRecord:
    """Refund as the shop's staff does: money to all payments in proportion. Raises NotAllowed."""
    wish = RefundWish(
        lines=tuple(
            RefundUnits(
                line_id=pick_line(order, line.line).id,
                quantity=line.quantity,
                restock=Restock(line.restock),
                location_id=line.location,
            )
            for line in request.lines
        ),
        shipping=request.shipping,
        note=request.note,
    )
    amount = suggested(state, order, wish).presentment if request.amount is None else request.amount
    return refund(state, outbox, order, wish, payments.in_proportion(order, amount))


def refund(
    state: State,
    outbox: Outbox,
    order: OrderRecord,
    wish: RefundWish,
    money: Sequence[payments.Part],
    *,
    return_id: int | None = None,
) -> RefundRecord:
    """Give units, delivery and money back, and announce it. Raises NotAllowed; then nothing was done."""
    was_paid = is_paid(order)
    with state.transaction():
        made = _record(state, order, wish)
        if not (made.lines or made.shipping or money):
            msg = "a refund needs units, delivery or money"
            raise NotAllowed(msg)
        for part in made.lines:
            for duty in order.line(part.line_id).duties:
                duty.kept += 0 if duty.id in wish.duties else part.quantity
            _take_back(state, order, part)
        made.return_id = return_id
        order.refunds.append(made)
        made.transaction_ids = payments.give_back(state, order, money)
        state.save_order(order)
        outbox.announce_refund(order, made)
        if is_paid(order) and not was_paid:
            outbox.announce(order, "orders/paid")
    return made


def suggested(state: State, order: OrderRecord, wish: RefundWish) -> Both:
    """What units and delivery are worth, as far as money was taken. Raises NotAllowed."""
    return covered(order, planned(state, order, wish))


def planned(state: State, order: OrderRecord, wish: RefundWish) -> RefundRecord:
    """The refund as it would be, without its money and ids. Raises NotAllowed."""
    return _record(state, order, wish, dry=True)


def covered(order: OrderRecord, refund: RefundRecord) -> Both:
    """What a refund's units and delivery are worth, as far as money was taken."""
    worth = refund.worth(taxes_included=order.taxes_included)
    taken = order.received - order.refunded
    return worth if worth.presentment <= taken.presentment else taken


def _record(state: State, order: OrderRecord, wish: RefundWish, *, dry: bool = False) -> RefundRecord:
    """The refund as it would be, without its money; ``dry`` uses up no ids."""

    def new_id(kind: str) -> int:
        return 0 if dry else state.next_id(kind)

    left = {line.id: line.current for line in order.lines}
    lines = []
    for part in wish.lines:
        if part.line_id not in left:
            raise NotAllowed("Line item does not exist", "input", "refundLineItems")
        line = order.line(part.line_id)
        _check_units(order, wish, part)
        before, after = (order.line_worth(line, n) for n in (left[line.id], left[line.id] - part.quantity))
        left[line.id] -= part.quantity
        location = part.location_id or location_of(order, line) or DEFAULT_LOCATION
        lines.append(
            RefundLineRecord(
                id=new_id("refund_line"),
                line_id=line.id,
                quantity=part.quantity,
                subtotal=before[0] - after[0],
                tax=before[1] - after[1],
                restock=part.restock,
                location_id=location if part.restock is Restock.RETURN else None,
            )
        )
    return RefundRecord(
        id=new_id("refund"),
        note=wish.note,
        created_at=datetime.now(UTC),
        lines=lines,
        duties=_duties(order, wish),
        shipping=[
            shipping.model_copy(update={"id": new_id("refund_line")})
            for shipping in _shipping(order, wish.shipping)
        ],
    )


def _duties(order: OrderRecord, wish: RefundWish) -> list[RefundDutyRecord]:
    """What goes back of each duty. Raises NotAllowed for one whose line gives nothing back."""
    units: dict[int, int] = {}
    for part in wish.lines:
        units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    of_lines = {duty.id: (line, duty) for line in order.lines if line.id in units for duty in line.duties}
    if strange := [duty for duty in wish.duties if duty not in of_lines]:
        raise NotAllowed(f"Duty {strange[0]} is on no refunded line item", "input", "refundDuties")
    parts = []
    for line, duty in (of_lines[each] for each in dict.fromkeys(wish.duties)):
        price, *taxes = (
            _share_back(order, amount, line, duty, units[line.id])
            for amount in (duty.price, *(tax.amount for tax in duty.taxes))
        )
        parts.append(RefundDutyRecord(duty_id=duty.id, subtotal=price, tax=Both.total(taxes)))
    return parts


def _share_back(order: OrderRecord, amount: Both, line: LineRecord, duty: DutyRecord, units: int) -> Both:
    owed = line.current + duty.kept
    pair = order.currencies
    return pair.share(amount, owed, line.quantity) - pair.share(amount, owed - units, line.quantity)


def _check_units(order: OrderRecord, wish: RefundWish, part: RefundUnits) -> None:
    line = order.line(part.line_id)
    of_line = [each for each in wish.lines if each.line_id == line.id]
    canceled = sum(each.quantity for each in of_line if each.restock is Restock.CANCEL)
    back = sum(each.quantity for each in of_line) - canceled
    still_open = order.open_units(line)
    if not part.quantity or canceled > still_open or back > line.current - still_open:
        message = (
            f"line {line.id}: {canceled} units cannot be taken off and {back} returned;"
            f" {still_open} are still to leave, {line.current - still_open} have left"
        )
        raise NotAllowed(message, "input", "refundLineItems")


def _shipping(order: OrderRecord, wanted: Decimal | Literal["all"]) -> list[RefundShippingRecord]:
    charges = order.charges(current=True)
    left = [order.charge_price(charge, current=True).presentment for charge in charges]
    amount = sum(left, Decimal(0)) if wanted == "all" else wanted
    if half_up(amount, order.currencies.units.presentment) != amount or not 0 <= amount <= sum(left):
        raise NotAllowed(
            f"delivery costs {sum(left)}; {amount} of it cannot be refunded", "input", "shipping"
        )
    shares = allocate(amount, left, order.currencies.units.presentment)
    return [_shipping_part(order, c, share) for c, share in zip(charges, shares, strict=True) if share]


def _shipping_part(order: OrderRecord, charge: ShippingRecord, amount: Decimal) -> RefundShippingRecord:
    """A part of a charge; counted over all its refunds together, so that they end at its price and taxes exactly."""
    earlier = order.shipping_refunded(charge)
    before = Both.total(part.subtotal for part in earlier)
    returned = before.presentment + amount
    units = order.currencies.units

    def of(whole: Both) -> Both:
        price = charge.discounted.presentment
        return Both(
            shop=half_up(whole.shop * returned / price, units.shop),
            presentment=half_up(whole.presentment * returned / price, units.presentment),
        )

    return RefundShippingRecord(
        id=0,
        charge_id=charge.id,
        subtotal=Both(shop=of(charge.discounted).shop - before.shop, presentment=amount),
        taxes=[
            TaxRecord(
                title=tax.title,
                rate=tax.rate,
                amount=of(tax.amount) - Both.total(part.taxes[i].amount for part in earlier),
            )
            for i, tax in enumerate(charge.taxes)
        ],
    )


def _take_back(state: State, order: OrderRecord, part: RefundLineRecord) -> None:
    line = order.line(part.line_id)
    line.current -= part.quantity
    if part.restock is Restock.CANCEL:
        take_off_plans(state, order, line, part.quantity)
    elif part.restock is Restock.RETURN:
        assert part.location_id is not None
        move_units(state, order, line.id, part.location_id, available=part.quantity)
