"""Whether storefront and ERP tell the same story, to the cent. Every difference has a name in plain words."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal

from domain.capture import delivered_presentment, delivered_value
from domain.differences import Acceptance, Difference, DifferenceUnit, Unbalanced, kinds, not_accepted
from domain.erp_order import ADJUSTMENT_LINE, ErpOrder, ErpOrderState
from domain.mapping import Mapping
from domain.model import Amount, Frozen
from domain.order import Order, PaymentKind, PaymentStatus
from domain.planning import map_taxes
from domain.quantities import delivered_units, shipped_units

_NOTHING = Decimal(0)
_SIGNS = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}


class BalanceReport(Frozen):
    """The account of an order at its end, amounts in the order's currency."""

    total: Amount
    captured: Amount
    """Taken, less refunded."""
    delivered: Amount
    """Value of what the ERP shipped."""
    canceled: bool
    on_terms: Amount = _NOTHING
    """Delivered and not paid yet, as the company's terms have it."""
    terms: str = ""
    """Those terms, in words."""
    differences: tuple[Difference, ...] = ()
    accepted: tuple[Difference, ...] = ()
    """Differences that a person accepted as they are; they stand in no way."""

    @property
    def balanced(self) -> bool:
        """Nothing differs that nobody has accepted."""
        return not self.differences

    @property
    def cause(self) -> str:
        """Stable key of what differs; orders that differ in the same kinds share it."""
        return f"unbalanced:{kinds(self.differences)}"


def compare_orders(order: Order, erp: ErpOrder, mapping: Mapping) -> tuple[Difference, ...]:
    """What the ERP tells differently: currency, total, tax by tax, units of each line. Raises Unmapped."""
    found = []
    if order.currency != erp.currency:
        name = f"currency (store {order.currency}, ERP {erp.currency})"
        found.append(Difference(name=name, storefront=order.total, erp=erp.total))
    if order.total != erp.total:
        found.append(Difference(name="total", storefront=order.total, erp=erp.total))
    return (*found, *_tax_differences(order, erp, mapping), *_quantity_differences(order, erp))


def require_agreement(
    order: Order, erp: ErpOrder, mapping: Mapping, acceptances: Iterable[Acceptance] = ()
) -> None:
    """Raises Unbalanced where the ERP holds the order otherwise and nobody accepted that; Unmapped.

    An order that one side canceled is not compared: that is told otherwise.
    """
    if order.canceled_at is not None or erp.state is ErpOrderState.CANCELED:
        return
    found = not_accepted(compare_orders(order, erp, mapping), acceptances)
    if found:
        raise Unbalanced(found, order.currency)


def check_closing(
    order: Order, erp: ErpOrder | None, mapping: Mapping, acceptances: Iterable[Acceptance] = ()
) -> BalanceReport:
    """Whether the order may close: totals agree, money taken is value delivered, the store knows all parcels.

    A canceled order balances where nothing was shipped and no money is kept; its totals need not match where
    both sides canceled. What a company pays later on its terms is due, and no difference. ``erp`` is None where the
    order never reached the ERP. What a person accepted, and nothing else, may differ. Raises Unmapped.
    """
    canceled = order.canceled_at is not None
    lines = {line.line_id for line in order.lines}
    delivered = delivered_units(order, erp) if erp and not canceled else {}
    # Units of a line that the order does not have are worth nothing; they are named as a difference below.
    delivered = {line: units for line, units in delivered.items() if line in lines}
    found = [*_presence_differences(order, erp)]
    if erp and not canceled and erp.state is not ErpOrderState.CANCELED:
        found += compare_orders(order, erp, mapping)
    found += _parcel_differences(order, shipped_units(erp) if erp else {})
    terms = mapping.payment_terms(order.customer.company_id)
    found += _money_differences(order, delivered, nothing_due=canceled or not erp, later=terms is not None)
    worth = delivered_value(order, delivered) if erp and not canceled else _NOTHING
    open_still = not_accepted(found, acceptances)
    return BalanceReport(
        total=order.total,
        captured=order.captured,
        delivered=worth,
        canceled=canceled,
        on_terms=max(_NOTHING, worth - order.captured) if terms else _NOTHING,
        terms=terms or "",
        differences=open_still,
        accepted=tuple(difference for difference in found if difference not in open_still),
    )


def _tax_differences(order: Order, erp: ErpOrder, mapping: Mapping) -> tuple[Difference, ...]:
    taxes = [tax for line in order.lines if line.current for tax in line.taxes]
    taxes += [tax for charge in order.shipping for tax in charge.taxes]
    store = map_taxes(taxes, mapping)
    booked: defaultdict[str, Decimal] = defaultdict(Decimal)
    for tax in erp.taxes:
        booked[tax.code] += tax.amount
    return tuple(
        Difference(name=f"tax {code}", storefront=store.get(code, _NOTHING), erp=booked.get(code, _NOTHING))
        for code in sorted(store.keys() | booked.keys())
        if store.get(code, _NOTHING) != booked.get(code, _NOTHING)
    )


def _quantity_differences(order: Order, erp: ErpOrder) -> tuple[Difference, ...]:
    charges = {charge.charge_id for charge in order.shipping} | {ADJUSTMENT_LINE}
    entered = Counter[str]()
    for line in erp.lines:
        if line.line_id not in charges:
            entered[line.line_id] += line.quantity
    ordered = Counter({line.line_id: line.current for line in order.lines})
    return _unit_differences("units of", order, ordered, entered)


def _parcel_differences(order: Order, shipped: dict[str, int]) -> tuple[Difference, ...]:
    """What the store was told of parcels, beside what left; a canceled order must have neither."""
    told = Counter[str]()
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            told[part.line_id] += part.quantity
    without_parcel = {line.line_id for line in order.lines if not line.requires_shipping} - shipped.keys()
    for line in without_parcel:
        del told[line]
    found = _unit_differences("units shipped of", order, told, Counter(shipped))
    if order.canceled_at is not None:
        found += _unit_differences("units shipped though canceled of", order, Counter(), Counter(shipped))
    return found


def _unit_differences(
    what: str, order: Order, store: Counter[str], erp: Counter[str]
) -> tuple[Difference, ...]:
    titles = {line.line_id: line.title for line in order.lines}
    return tuple(
        Difference(
            name=f"{what} line {line} ({titles.get(line, 'unknown to the store')})",
            storefront=Decimal(store[line]),
            erp=Decimal(erp[line]),
            unit=DifferenceUnit.UNITS,
        )
        for line in sorted(store.keys() | erp.keys())
        if store[line] != erp[line]
    )


def _presence_differences(order: Order, erp: ErpOrder | None) -> tuple[Difference, ...]:
    """Whether both sides have the order, or both gave it up."""
    canceled = order.canceled_at is not None
    if erp is None:
        missing = Difference(name="order not in the ERP", storefront=order.total, erp=_NOTHING)
        return () if canceled else (missing,)
    if canceled == (erp.state is ErpOrderState.CANCELED):
        return ()
    if canceled:
        return (Difference(name="order canceled in the store alone", storefront=_NOTHING, erp=erp.total),)
    return (Difference(name="order canceled in the ERP alone", storefront=order.total, erp=_NOTHING),)


def _money_differences(
    order: Order, delivered: dict[str, int], *, nothing_due: bool, later: bool
) -> tuple[Difference, ...]:
    """Money kept beside value delivered, in the currency it was taken in: no exchange rate rounds there.

    ``later``: the buyer may pay afterwards, so that only too much is a difference.
    """
    kept = sum(
        (
            p.presentment_amount * _SIGNS.get(p.kind, 0)
            for p in order.payments
            if p.status is PaymentStatus.SUCCESS
        ),
        _NOTHING,
    )
    due = _NOTHING if nothing_due else delivered_presentment(order, delivered)
    if kept == due or (later and kept < due):
        return ()
    name = "money taken less refunds, beside the value delivered"
    return (Difference(name=name, storefront=kept, erp=due, currency=order.presentment_currency),)
