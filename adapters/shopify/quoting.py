"""What a shop says that units and delivery are worth, in parts. Pure.

The shop suggests one tax for each line, and one for all delivery. Which of several taxes it is about is worked out as
the shop rounds: each for itself, half up, over all that came back so far. Where that does not come to what it suggests,
the suggestion is divided in proportion.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from adapters.errors import ContractBroken
from adapters.requests import RefundQuote, RefundRequest
from adapters.shopify import answers
from adapters.shopify.answer import SYSTEM
from adapters.shopify.pricing import DUTY, rate_of
from adapters.shopify.refund_answers import (
    Charge,
    LineUnits,
    Quotation,
    QuotedDuty,
    QuotedLine,
    RefundState,
    SuggestedRefund,
)
from domain.money import minor_digits, share, split
from domain.order import TaxLine
from domain.returns import QuotedPart

QUOTE: Final = "quote refund"

_NOTHING: Final = Decimal(0)


def to_quote(request: RefundRequest, state: RefundState, quotation: Quotation) -> RefundQuote:
    """The suggestion in parts. Where prices include tax the shop's subtotals do too, and it is taken out of the net.

    Raises ContractBroken where it does not add up.
    """
    suggested = quotation.suggested_refund
    units = {line.line_item.id: line.quantity for line in suggested.refund_line_items}
    duties = [part for duty in suggested.refund_duties for part in _of_duty(duty, units, state)]
    _check_taxes(suggested, sum((duty.tax for duty in duties), _NOTHING))
    parts = [_of_line(line, state) for line in suggested.refund_line_items]
    parts += duties
    delivery = suggested.shipping
    if request.shipping:
        parts += _of_delivery(request, state, suggested)
    priced = [(line.subtotal_set, line.total_tax_set) for line in suggested.refund_line_items]
    priced += [(delivery.amount_set, delivery.tax_set)]
    included = state.taxes_included
    presentment = sum(
        (
            price.presentment_money.amount + (_NOTHING if included else tax.presentment_money.amount)
            for price, tax in priced
        ),
        _NOTHING,
    )
    presentment += sum((_presentment_of(duty, units, state) for duty in suggested.refund_duties), _NOTHING)
    return RefundQuote(
        parts=tuple(parts),
        total=sum((part.net + part.tax for part in parts), _NOTHING),
        presentment_total=presentment,
    )


def _check_taxes(suggested: SuggestedRefund, on_duties: Decimal) -> None:
    """Raise ContractBroken where the parts do not add up: a credit note of them would be wrong."""
    goods = sum((line.total_tax_set.shop_money.amount for line in suggested.refund_line_items), _NOTHING)
    told = suggested.total_tax_set.shop_money.amount
    # Whether the total counts the tax on delivery, and that on duties, is not said.
    delivery = suggested.shipping.tax_set.shop_money.amount
    if told not in {goods, goods + delivery, goods + on_duties, goods + delivery + on_duties}:
        reason = f"suggestedRefund: taxes of {told} are suggested in all, the lines' come to {goods}"
        raise ContractBroken(SYSTEM, QUOTE, reason)


def _of_line(line: QuotedLine, state: RefundState) -> QuotedPart:
    item, tax, currency = line.line_item, line.total_tax_set.shop_money.amount, state.currency_code
    left = item.current_quantity - line.quantity
    lost = [
        share(each.price_set.shop_money.amount, item.current_quantity, item.quantity, currency)
        - share(each.price_set.shop_money.amount, left, item.quantity, currency)
        for each in item.tax_lines
    ]
    return QuotedPart(
        line_id=item.id,
        quantity=line.quantity,
        net=_net(line.subtotal_set.shop_money.amount, tax, state),
        tax=tax,
        taxes=_by_tax(tax, lost, item.tax_lines, currency),
    )


def _of_duty(quoted: QuotedDuty, units: Mapping[str, int], state: RefundState) -> list[QuotedPart]:
    """What goes back of a duty. The shop tells no tax of it: that follows the units. Raises ContractBroken."""
    line, duty = _duty_of(quoted, state)
    taxes = tuple(
        TaxLine(
            title=each.title,
            rate=rate_of(each, "suggestedRefund.refundDuties"),
            amount=_lost_with(each.price_set.shop_money.amount, line, units, state.currency_code),
        )
        for each in duty.tax_lines
    )
    tax = sum((each.amount for each in taxes), _NOTHING)
    price = quoted.amount_set.shop_money.amount
    if not price and not tax:
        return []
    net = _net(price, tax, state)
    return [QuotedPart(line_id=f"{DUTY}{duty.id}", quantity=1, net=net, tax=tax, taxes=taxes)]


def _presentment_of(quoted: QuotedDuty, units: Mapping[str, int], state: RefundState) -> Decimal:
    """What goes back of a duty as the buyer pays it."""
    price = quoted.amount_set.presentment_money.amount
    if state.taxes_included:
        return price
    line, duty = _duty_of(quoted, state)
    amounts = (each.price_set.presentment_money.amount for each in duty.tax_lines)
    currency = state.presentment_currency_code
    return sum((_lost_with(amount, line, units, currency) for amount in amounts), price)


def _lost_with(amount: Decimal, line: LineUnits, units: Mapping[str, int], currency: str) -> Decimal:
    """What an amount for all units of a line loses with these."""
    left = line.current_quantity - units.get(line.id, 0)
    before = share(amount, line.current_quantity, line.quantity, currency)
    return before - share(amount, left, line.quantity, currency)


def _duty_of(quoted: QuotedDuty, state: RefundState) -> tuple[LineUnits, answers.Duty]:
    for line in state.line_items.nodes:
        for duty in line.duties:
            if quoted.original_duty is not None and duty.id == quoted.original_duty.id:
                return line, duty
    raise ContractBroken(SYSTEM, QUOTE, "suggestedRefund.refundDuties: names a duty that is on no line")


def _of_delivery(request: RefundRequest, state: RefundState, suggested: SuggestedRefund) -> list[QuotedPart]:
    """The shop suggests delivery as one amount: spread over the charges by what is left of each."""
    charges, currency = state.shipping_lines.left, state.currency_code
    tax = suggested.shipping.tax_set.shop_money.amount
    net = _net(suggested.shipping.amount_set.shop_money.amount, tax, state)
    weights = [charge.current_discounted_price_set.shop_money.amount for charge in charges]
    nets, taxes = (split(amount, weights, currency) for amount in (net, tax))
    returned = split(
        request.shipping,
        [charge.current_discounted_price_set.presentment_money.amount for charge in charges],
        state.presentment_currency_code,
    )
    return [
        QuotedPart(
            line_id=charge.id or f"{request.key.external_id}-{index}",
            quantity=1,
            net=nets[index],
            tax=taxes[index],
            taxes=_by_tax(taxes[index], _lost(charge, returned[index], state), charge.tax_lines, currency),
        )
        for index, charge in enumerate(charges)
        if nets[index] or taxes[index]
    ]


def _lost(charge: Charge, returned: Decimal, state: RefundState) -> list[Decimal]:
    """What each of a charge's taxes loses with so much of its price, in the buyer's currency."""
    cents = 10 ** minor_digits(state.presentment_currency_code)
    whole = int(charge.discounted_price_set.presentment_money.amount * cents)
    now = int(charge.current_discounted_price_set.presentment_money.amount * cents)
    before, after = whole - now, whole - now + int(returned * cents)
    if not 0 <= before <= after <= whole:
        return []
    amounts = [tax.price_set.shop_money.amount for tax in charge.tax_lines]
    return [
        share(amount, after, whole, state.currency_code) - share(amount, before, whole, state.currency_code)
        for amount in amounts
    ]


def _by_tax(
    tax: Decimal, lost: Sequence[Decimal], taxes: Sequence[answers.TaxLine], currency: str
) -> tuple[TaxLine, ...]:
    if not taxes:
        return ()
    amounts = tuple(lost)
    if sum(lost) != tax or len(lost) != len(taxes):
        amounts = split(tax, [each.price_set.shop_money.amount for each in taxes], currency)
    return tuple(
        TaxLine(title=each.title, rate=rate_of(each, "suggestedRefund"), amount=amount)
        for each, amount in zip(taxes, amounts, strict=True)
    )


def _net(subtotal: Decimal, tax: Decimal, state: RefundState) -> Decimal:
    return subtotal - tax if state.taxes_included else subtotal
