"""What is credited and paid back when goods come back. Pure.

The storefront says what units are worth (it has priced them); here that is put into the ERP's words, the fee is taken
off, and the money is spread over the payments it came from.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from domain.adding_up import sum_by_code
from domain.capture import delivered_presentment, live_authorizations
from domain.erp_order import LOWERING, ErpOrder, ErpReturnState, KeptPieces, SalesLineKind, TaxAmount
from domain.exchanges import exchange_presentment, exchanged_lines, paid_in_goods, worth_to_come
from domain.kit_returns import InParts, Kits, Worth, gross_of, kept_of, piece_of
from domain.mapping import Mapping as FieldMapping
from domain.model import Amount, Frozen, Instant
from domain.money import proportion, smallest_unit, split
from domain.order import (
    ExtraCharge,
    LineKind,
    Order,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ShippingCharge,
)
from domain.planning import map_taxes
from domain.quantities import delivered_units, units_returned
from domain.returns import FEE_LINE, CreditLine, QuotedPart, RefundPart

_NOTHING = Decimal(0)
_TAKEN = frozenset({PaymentKind.CAPTURE, PaymentKind.SALE})
_PROMISED = frozenset({PaymentKind.AUTHORIZATION, PaymentKind.SALE})


class NotTakenYet(Exception):
    """More is to be given back than is held by now; the rest is captured for what has left. Both in the message."""


class Credit(Frozen):
    """A credit note in the ERP's words."""

    lines: tuple[CreditLine, ...]
    taxes: tuple[TaxAmount, ...]
    total: Amount
    """Nets and taxes of the lines, less the fee."""
    fee: Amount = _NOTHING
    """What is held back: the fee, and what kits lack that are begun to come back."""


class KitsBack(NamedTuple):
    """What a credit note has to know of kits that come back in parts."""

    came: InParts
    kits: Kits
    before: tuple[KeptPieces, ...]


def credit_for(
    order: Order,
    parts: Iterable[QuotedPart],
    mapping: FieldMapping,
    exchanged: Decimal = _NOTHING,
    back: KitsBack | None = None,
) -> Credit:
    """The credit note for what came back; the restocking fee is taken off the worth of goods alone.

    What is missing of kits is no part of that: it is held back until it comes.

    Of goods for which the buyer gets others, worth ``exchanged``, it is taken off the money that is left of both: a
    buyer whom no money goes back to is charged none.

    Where the quote does not tell a line's tax by tax, it is divided over the ERP's codes as the line's own taxes are.
    Raises Unmapped.
    """
    lines: list[CreditLine] = []
    worth_of_goods = _NOTHING
    for worth in parts:
        kind, product, part = _credited_as(order, worth.line_id, mapping)
        codes = map_taxes(worth.taxes or part.taxes, mapping)
        taxes = tuple(codes.values())
        if taxes and not worth.taxes:
            taxes = split(worth.tax, taxes, order.currency)
        if kind is SalesLineKind.GOODS:
            worth_of_goods += worth.net + worth.tax
        lines.append(
            CreditLine(
                line_id=worth.line_id,
                kind=kind,
                product=product,
                quantity=worth.quantity,
                net=worth.net,
                taxes=tuple(
                    TaxAmount(code=code, amount=amount) for code, amount in zip(codes, taxes, strict=True)
                ),
                description=part.title,
            )
        )
    kept = _kept(order, lines, back) if back else ()
    lines += [_of_pieces(entry) for entry in kept]
    taxes_in_all = sum_by_code(_signed(line, tax) for line in lines for tax in line.taxes)
    nets = sum((-line.net if line.kind in LOWERING else line.net for line in lines), _NOTHING)
    total = nets + sum((tax.amount for tax in taxes_in_all), _NOTHING)
    fee = proportion(worth_of_goods - gross_of(kept), mapping.returns.fee_percent, 100, order.currency)
    if exchanged:
        fee = max(_NOTHING, min(fee, total - exchanged))
    if fee:
        assert mapping.returns.fee_product is not None  # the rules see to it
        lines.append(
            CreditLine(
                line_id=FEE_LINE,
                kind=SalesLineKind.FEE,
                product=mapping.returns.fee_product,
                quantity=1,
                net=fee,
                description="Restocking fee",
            )
        )
    return Credit(lines=tuple(lines), taxes=taxes_in_all, total=total - fee, fee=fee + gross_of(kept))


def _kept(order: Order, lines: Iterable[CreditLine], back: KitsBack) -> tuple[KeptPieces, ...]:
    worth = {
        line.line_id: Worth(line.net, {tax.code: tax.amount for tax in line.taxes})
        for line in lines
        if line.kind is SalesLineKind.GOODS
    }
    return kept_of(back.came, worth, back.kits, back.before, order.currency)


def _of_pieces(entry: KeptPieces) -> CreditLine:
    return CreditLine(
        line_id=piece_of(entry.line_id, entry.product),
        kind=SalesLineKind.KEPT if entry.quantity > 0 else SalesLineKind.PIECES,
        product=entry.product,
        quantity=abs(entry.quantity),
        net=abs(entry.net),
        taxes=tuple(tax.model_copy(update={"amount": abs(tax.amount)}) for tax in entry.taxes),
        description="Of a kit that came back in part",
    )


def _signed(line: CreditLine, tax: TaxAmount) -> TaxAmount:
    """A tax as it counts in the credit note."""
    return tax.model_copy(update={"amount": -tax.amount}) if line.kind in LOWERING else tax


def _credited_as(
    order: Order, line_id: str, mapping: FieldMapping
) -> tuple[SalesLineKind, str, OrderLine | ShippingCharge | ExtraCharge]:
    """As what a line or charge is credited, on which ERP product, and the line or charge itself. Raises Unmapped."""
    for line in order.lines:
        if line.line_id == line_id and line.kind is LineKind.TIP:
            return SalesLineKind.TIP, mapping.charge_product("tip"), line
        if line.line_id == line_id:
            return SalesLineKind.GOODS, mapping.product((line.sku or "").strip()), line
    for duty in order.duties:
        if duty.charge_id == line_id:
            return SalesLineKind.DUTY, mapping.charge_product("duty"), duty
    charge = {charge.charge_id: charge for charge in order.shipping}[line_id]
    return SalesLineKind.SHIPPING, mapping.shipping_product, charge


def fees_presentment(order: Order, fees: Decimal) -> Decimal:
    """Fees of an order as the buyer pays them: at the rate at which the money was promised: no capture changes it."""
    if order.currency == order.presentment_currency:
        return fees
    settled = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    promised = [p for p in settled if p.kind in _PROMISED] or [p for p in settled if p.kind in _TAKEN]
    whole = sum((p.amount for p in promised), _NOTHING)
    if not whole:
        return _NOTHING
    paid = sum((p.presentment_amount for p in promised), _NOTHING)
    return proportion(paid, fees, whole, order.presentment_currency)


def given_back_earlier(order: Order, erp: ErpOrder, beside: Collection[str]) -> Decimal:
    """What returns of an earlier life of the order gave back, fees included, in ``Order.presentment_currency``.

    By their credit notes; of an exchange what is left once the new goods are paid. ``beside`` are the others. A note
    may come to more than was held, as two roundings differ by a cent: no more was given back than refunds say.
    """
    paid_for = {each.return_id: each.total for each in erp.exchanges}
    settled = [
        each for each in erp.returns if each.state is ErpReturnState.SETTLED and each.return_id not in beside
    ]
    back = (each.total + each.fee - paid_for.get(each.return_id, _NOTHING) for each in settled)
    noted = fees_presentment(order, sum((max(amount, _NOTHING) for amount in back), _NOTHING))
    fees = fees_presentment(order, sum((each.fee for each in settled), _NOTHING))
    return min(noted, refunded_presentment(order) + fees)


def refunded_presentment(order: Order) -> Decimal:
    """All money given back, or on its way back, in ``Order.presentment_currency``."""
    back = (
        payment.presentment_amount
        for payment in order.payments
        if payment.kind is PaymentKind.REFUND and payment.status is not PaymentStatus.FAILED
    )
    return sum(back, _NOTHING)


def kept_presentment(order: Order) -> Decimal:
    """What is held of all that was taken, in ``Order.presentment_currency``.

    A refund to no payment that is told of (as credit in the store) counts as given back, too.
    """
    return _taken(order) - refunded_presentment(order)


def money_back(
    order: Order,
    erp: ErpOrder,
    worth_presentment: Decimal,
    fee: Decimal,
    *,
    return_id: str = "",
    at: Instant | None = None,
) -> tuple[RefundPart, ...]:
    """The money to give back for units worth so much to the buyer, ``fee`` (``Order.currency``) kept back.

    Of an exchange (by ``return_id``) what the buyer gets for them is paid first, as far as they have not paid it
    themselves; what other exchanges wait for counts as if it had come back.

    Never more than what is held beyond the goods that stay with the buyer, and those that they get in exchange: what
    was not paid is not given back. What has left and can be captured still (``at`` this time) counts as held. Spread
    over the payments in proportion to what each holds still. Raises NotTakenYet where they do not hold as much yet.
    """
    kept = kept_presentment(order)
    earlier = sum((each.fee for each in erp.returns), _NOTHING)
    # What is still to leave in exchange is paid by what comes back.
    back, exchanged = units_returned(order), exchanged_lines(order)
    to_keep = {x.line_id: x.current + back.get(x.line_id, 0) for x in order.lines if x.line_id in exchanged}
    gone = worth_presentment + (worth_to_come(order, return_id) if return_id else _NOTHING)
    delivered = delivered_units(order, erp)
    value = delivered_presentment(order, delivered)
    stays = delivered_presentment(order, delivered | to_keep) - gone
    fees = fees_presentment(order, earlier + fee)
    # As ``plan_captures`` has it: but for what returns gave back, what was refunded is not taken again.
    to_come = max(
        _NOTHING, min(value - _taken(order) + given_back_earlier(order, erp, ()), _to_take(order, at))
    )
    owed = max(stays, _NOTHING) + fees
    # Counted over all fees together: each rounded by itself, they would not come to what all of them are worth.
    most = worth_presentment - fees + fees_presentment(order, earlier)
    if instead := exchange_presentment(order, return_id) if return_id else _NOTHING:
        still_here = order.presentment_total - delivered_presentment(order, delivered | to_keep)
        promised = min(_to_take(order, at) - to_come, still_here)
        to_pay = order.presentment_total + fees_presentment(order, earlier) - paid_in_goods(order, return_id)
        most -= min(instead, max(_NOTHING, to_pay - kept - to_come - promised))
        if order.currency != order.presentment_currency:
            # Both are rounded, each for itself: what is left once everything is paid is not off by that.
            left = kept + to_come - (order.presentment_total - gone + fees)
            most = max(most, min(most + 2 * smallest_unit(order.presentment_currency), left))
    due = min(most, kept + to_come - owed)
    if due <= 0:
        return ()
    if due > kept:
        raise NotTakenYet(
            f"{due} {order.presentment_currency} are to be given back and {kept} are captured by now; the rest is "
            "captured once the storefront is told of the parcel that left"
        )
    return over_payments(order, due)


def held_beyond_worth(order: Order, erp: ErpOrder) -> tuple[RefundPart, ...]:
    """What is held of a delivered order with exchanges beyond its worth and fees, by the payments that hold it.

    An exchange is paid before it leaves, so one that was changed afterwards may have been paid with more than it comes
    to. A refund under way counts as given: asked again, it gives nothing twice.
    """
    if not exchanged_lines(order) or order.canceled_at is not None:
        return ()
    fees = fees_presentment(order, sum((each.fee for each in erp.returns), _NOTHING))
    over = kept_presentment(order) - delivered_presentment(order, delivered_units(order, erp)) - fees
    return over_payments(order, over) if over > 0 else ()


def units_left(order: Order, lines: Mapping[str, int]) -> bool:
    """Whether the buyer keeps any goods, or waits for some, once these (line -> units) are gone."""
    return any(
        line.current > lines.get(line.line_id, 0) for line in order.lines if line.kind is LineKind.GOODS
    )


def over_payments(order: Order, due: Decimal) -> tuple[RefundPart, ...]:
    """``due``, no more than is held in all, in proportion to what each payment holds still.

    One that gave back more than it took, by hand, gives nothing; the others pay what it lacks.
    """
    payments = _payments(order)
    held = tuple(max(_left(order, payment), _NOTHING) for payment in payments)
    return tuple(
        RefundPart(payment_id=payment.payment_id, gateway=payment.gateway, amount=part)
        for payment, part in zip(payments, split(due, held, order.presentment_currency), strict=True)
        if part
    )


def _taken(order: Order) -> Decimal:
    """What was taken; a capture under way is not taken yet."""
    return sum((payment.presentment_amount for payment in _payments(order)), _NOTHING)


def _payments(order: Order) -> tuple[Payment, ...]:
    return tuple(p for p in order.payments if p.status is PaymentStatus.SUCCESS and p.kind in _TAKEN)


def _to_take(order: Order, at: Instant | None) -> Decimal:
    """What authorizations that have not expired allow to be taken still; a capture under way is not taken yet."""
    left = {
        each.payment_id: each.presentment_amount
        for each in live_authorizations(order)
        if at is None or each.expires_at is None or each.expires_at > at
    }
    for payment in _payments(order):
        if payment.parent_id in left:
            left[payment.parent_id] -= payment.presentment_amount
    return sum((max(_NOTHING, amount) for amount in left.values()), _NOTHING)


def _left(order: Order, payment: Payment) -> Decimal:
    """What a payment holds still. A refund on its way counts as given back: asking again could give it twice."""
    back = (
        p.presentment_amount
        for p in order.payments
        if p.kind is PaymentKind.REFUND
        and p.parent_id == payment.payment_id
        and p.status is not PaymentStatus.FAILED
    )
    return payment.presentment_amount - sum(back, _NOTHING)
