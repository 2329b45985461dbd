"""Duties, fees and tips: what an order charges beside goods and delivery."""

from collections.abc import Sequence

from sandbox.store.charge_records import DutyRecord, FeeRecord, TaxRecord
from sandbox.store.money import Both
from sandbox.store.pricing import taxes_on
from sandbox.store.records import LineRecord, OrderRecord
from sandbox.store.requests import PlaceOrder, PlaceTax
from sandbox.store.state import State


def charge_besides(
    state: State, order: OrderRecord, request: PlaceOrder, taxes: Sequence[Sequence[PlaceTax]]
) -> Both:
    """Add duties, fees and a tip to the order, which no discount reaches; returns what they come to.

    ``taxes`` are those of each line that was asked for.
    """
    before = order.total(current=True)
    for line, wanted, of_line in zip(order.lines, request.lines, taxes, strict=True):
        if (duty := wanted.duty) is not None:
            price = order.currencies.convert(duty.amount)
            line.duties.append(
                DutyRecord(
                    id=state.next_id("duty"),
                    price=price,
                    taxes=_taxes_on(order, price, of_line if duty.taxed else ()),
                    hs_code=duty.hs_code,
                    country=duty.country,
                )
            )
    for fee in request.fees:
        price = order.currencies.convert(fee.amount)
        on_fee = _taxes_on(order, price, request.taxes if fee.taxed else ())
        order.fees.append(FeeRecord(id=state.next_id("fee"), name=fee.name, price=price, taxes=on_fee))
    if request.tip:
        tip = LineRecord(
            id=state.next_id("line"),
            product_id=0,
            variant_id=0,
            sku="",
            title="Tip",
            quantity=1,
            current=1,
            unit_price=order.currencies.convert(request.tip),
            requires_shipping=False,
            tip=True,
        )
        order.lines.append(tip)
    return order.total(current=True) - before


def _taxes_on(order: OrderRecord, price: Both, taxes: Sequence[PlaceTax]) -> list[TaxRecord]:
    rates, units = [tax.rate for tax in taxes], order.currencies.units
    shop = taxes_on(price.shop, rates, units.shop, included=order.taxes_included)
    presentment = taxes_on(price.presentment, rates, units.presentment, included=order.taxes_included)
    return [
        TaxRecord(title=tax.title, rate=tax.rate, amount=Both(shop=a, presentment=b))
        for tax, a, b in zip(taxes, shop, presentment, strict=True)
    ]
