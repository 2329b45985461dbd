"""What a shop says that units and delivery are worth, in parts. Pure.

The shop suggests one tax for each line, and one for all delivery. Which of several taxes it is about is worked out as
the shop rounds: each for itself, half up, over all that came back so far. Where that does not come to what it suggests,
the suggestion is divided in proportion.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from adapters.errors import ContractBroken
from adapters.ports import RefundQuote, RefundRequest
from adapters.shopify import answers
from adapters.shopify.answers import SYSTEM
from adapters.shopify.refund_answers import Charge, Quotation, QuotedLine, RefundState, SuggestedRefund
from adapters.shopify.translate import rate_of
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
    _check_taxes(suggested)
    parts = [_of_line(line, state) for line in suggested.refund_line_items]
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
    return RefundQuote(
        parts=tuple(parts),
        total=sum((part.net + part.tax for part in parts), _NOTHING),
        presentment_total=presentment,
    )


def _check_taxes(suggested: SuggestedRefund) -> None:
    """Raise ContractBroken where the parts do not add up: a credit note of them would be wrong."""
    goods = sum((line.total_tax_set.shop_money.amount for line in suggested.refund_line_items), _NOTHING)
    told = suggested.total_tax_set.shop_money.amount
    # Whether the total counts the tax on delivery is not said.
    if told not in {goods, goods + suggested.shipping.tax_set.shop_money.amount}:
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
