"""Whether storefront and ERP tell the same story, to the cent: the equations that an order's ledger must fulfil.

Each has a name in plain words. One that does not hold is a difference of that name.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from domain.capture import delivered_presentment, delivered_value
from domain.differences import (
    UNITS_OF,
    UNITS_SHIPPED_OF,
    Acceptance,
    Difference,
    DifferenceUnit,
    Unbalanced,
    kinds,
    not_accepted,
)
from domain.erp_order import ADJUSTMENT_LINES, ErpOrder, ErpOrderState
from domain.exchanges import exchanged_lines
from domain.ledger import EntryKind, Ledger, Side, write_ledger
from domain.mapping import Mapping
from domain.model import Amount, Frozen
from domain.order import Order
from domain.quantities import delivered_units
from domain.refunds import fees_presentment

_NOTHING = Decimal(0)


class Equation(Frozen):
    """Two sums of the ledger that must be the same: the storefront's (or the first of ``sides``), and the ERP's."""

    told: Difference
    """Its name and what each side tells, the same or not."""
    incomparable: bool = False
    """Never the same, whatever the numbers: they count different things."""
    at_most: bool = False
    """The first may be less: the rest is due later."""
    waived: Amount = _NOTHING
    """The first may be less by so much: the mapping asks no more of a buyer for an exchange."""
    accepted: bool = False
    """A person took it as it is."""

    @property
    def holds(self) -> bool:
        """Both sides tell the same, or what is missing may come later."""
        same = self.told.storefront == self.told.erp
        later = self.at_most and self.told.storefront < self.told.erp
        return (same or later or self.is_waived) and not self.incomparable

    @property
    def is_waived(self) -> bool:
        """What is missing is not asked for."""
        return _NOTHING < self.told.erp - self.told.storefront <= self.waived

    def sentence(self, currency: str) -> str:
        """Its verdict in plain words; ``currency`` is the order's."""
        if self.holds and self.told.storefront == self.told.erp:
            return f"{self.told.name}: both {self.told.words(self.told.erp, currency)}"
        return self.told.sentence(currency) + (
            " (accepted)"
            if self.accepted
            else " (waived for an exchange)"
            if self.is_waived
            else " (due later)"
            if self.holds
            else ""
        )


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


class Proof(Frozen):
    """An order's ledger, equation by equation, and what follows."""

    ledger: Ledger
    equations: tuple[Equation, ...]
    report: BalanceReport


def compare_orders(order: Order, erp: ErpOrder, mapping: Mapping) -> tuple[Difference, ...]:
    """What the ERP tells differently: currency, total, tax by tax, units of each line. Raises Unmapped."""
    return _broken(_entered(order, erp, write_ledger(order, erp, mapping)))


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
    """Whether the order may close, by its ledger; see ``prove``. Raises Unmapped."""
    return prove(order, erp, mapping, acceptances).report


def prove(
    order: Order, erp: ErpOrder | None, mapping: Mapping, acceptances: Iterable[Acceptance] = ()
) -> Proof:
    """The order's ledger and its equations: totals and invoices agree, money taken is value delivered, the store
    knows all parcels.

    A canceled order balances where nothing was shipped and no money is kept; its totals need not match where
    both sides canceled. What a company pays later on its terms is due, and no difference. ``erp`` is None where the
    order never reached the ERP. What a person accepted, and nothing else, may differ. Raises Unmapped.
    """
    canceled = order.canceled_at is not None
    compared = erp is not None and not canceled and erp.state is not ErpOrderState.CANCELED
    ledger = write_ledger(order, erp, mapping if compared else None)
    lines = {line.line_id for line in order.lines}
    delivered = delivered_units(order, erp) if erp and not canceled else {}
    # Units of a line that the order does not have are worth nothing; they are named as a difference below.
    delivered = {line: units for line, units in delivered.items() if line in lines}
    equations = [*_presence(order, erp)]
    if erp is not None and compared:
        equations += [*_entered(order, erp, ledger), *_sum_of_parts(order, ledger)]
    equations += _parcels(order, ledger)
    terms = mapping.payment_terms(order.customer.company_id)
    nothing_due = canceled or not erp
    waived = mapping.returns.exchange_waives if exchanged_lines(order) else _NOTHING
    equations += [
        each.model_copy(update={"at_most": terms is not None, "waived": waived})
        for each in _money(order, ledger, delivered, nothing_due=nothing_due)
    ]
    equations += _invoices(erp, ledger) if erp else ()
    worth = delivered_value(order, delivered) if erp and not canceled else _NOTHING
    fees = ledger.amount(Side.ERP, EntryKind.FEE)
    found = _broken(equations)
    open_still = not_accepted(found, acceptances)
    accepted = tuple(difference for difference in found if difference not in open_still)
    return Proof(
        ledger=ledger,
        equations=tuple(e.model_copy(update={"accepted": e.told in accepted}) for e in equations),
        report=BalanceReport(
            total=order.total,
            captured=order.captured,
            delivered=worth,
            canceled=canceled,
            on_terms=max(_NOTHING, worth + fees - order.captured) if terms else _NOTHING,
            terms=terms or "",
            differences=open_still,
            accepted=accepted,
        ),
    )


def _broken(equations: Iterable[Equation]) -> tuple[Difference, ...]:
    return tuple(equation.told for equation in equations if not equation.holds)


def _equal(
    name: str,
    storefront: Decimal,
    erp: Decimal,
    *,
    currency: str | None = None,
    sides: tuple[str, str] = ("store", "ERP"),
) -> Equation:
    told = Difference(name=name, storefront=storefront, erp=erp, currency=currency, sides=sides)
    return Equation(told=told)


def _presence(order: Order, erp: ErpOrder | None) -> Iterator[Equation]:
    """Whether both sides have the order, or both gave it up: nothing to count, so told where it fails."""
    canceled = order.canceled_at is not None
    if erp is None:
        if not canceled:
            yield _equal("order not in the ERP", order.total, _NOTHING)
    elif canceled and erp.state is not ErpOrderState.CANCELED:
        yield _equal("order canceled in the store alone", _NOTHING, erp.total)
    elif not canceled and erp.state is ErpOrderState.CANCELED:
        yield _equal("order canceled in the ERP alone", order.total, _NOTHING)


def _entered(order: Order, erp: ErpOrder, ledger: Ledger) -> Iterator[Equation]:
    """The order as it stands in the ERP: currency, total, tax by tax, units of each line."""
    if order.currency != erp.currency:
        name = f"currency (store {order.currency}, ERP {erp.currency})"
        told = Difference(name=name, storefront=order.total, erp=erp.total)
        yield Equation(told=told, incomparable=True)
    store, held = _both(ledger, EntryKind.TOTAL)
    yield _equal("total", store, held - ledger.amount(Side.ERP, EntryKind.GIVEN_BACK))
    for code in ledger.subjects(EntryKind.TAXED, EntryKind.TAX_GIVEN_BACK):
        store, held = _both(ledger, EntryKind.TAXED, code)
        back = ledger.amount(Side.ERP, EntryKind.TAX_GIVEN_BACK, subject=code)
        yield _equal(f"tax {code}", store, held - back)
    charges = {charge.charge_id for charge in order.charges} | ADJUSTMENT_LINES
    ordered = {line.line_id: line.current for line in order.lines}
    back_units = ledger.units(Side.ERP, EntryKind.GIVEN_BACK)
    entered = {
        line: units - back_units.get(line, 0)
        for line, units in ledger.units(Side.ERP, EntryKind.ORDERED).items()
        if line not in charges
    }
    yield from _units(UNITS_OF, order, ordered, entered)


def _sum_of_parts(order: Order, ledger: Ledger) -> Iterator[Equation]:
    """Ordered less canceled and discounted, with tax and what was adjusted, is the order's total."""
    parts = ledger.amount(Side.STORE, EntryKind.ORDERED)
    parts -= sum(e.amount or _NOTHING for e in ledger.entries if e.kind is EntryKind.CANCELED and e.subject)
    parts -= ledger.amount(Side.STORE, EntryKind.DISCOUNTED)
    if not order.taxes_included:
        parts += ledger.amount(Side.STORE, EntryKind.TAXED)
    parts += ledger.amount(Side.ERP, EntryKind.ADJUSTED)
    name = "parts of the order (ordered - canceled - discounts + taxes + adjustment), beside its total"
    yield _equal(name, parts, order.total, sides=("parts", "total"))


def _parcels(order: Order, ledger: Ledger) -> Iterator[Equation]:
    """What the store was told of parcels, beside what left; a canceled order must have neither."""
    left = ledger.units(Side.ERP, EntryKind.SHIPPED)
    told = ledger.units(Side.STORE, EntryKind.SHIPPED)
    without_parcel = {line.line_id for line in order.lines if not line.requires_shipping} - left.keys()
    told = {line: units for line, units in told.items() if line not in without_parcel}
    yield from _units(UNITS_SHIPPED_OF, order, told, left)
    if order.canceled_at is not None:
        yield from _units("units shipped though canceled of", order, {}, left)


def _money(
    order: Order, ledger: Ledger, delivered: dict[str, int], *, nothing_due: bool
) -> Iterator[Equation]:
    """Money kept beside value delivered, in the currency it was taken in: no exchange rate rounds there."""
    kept = ledger.amount(Side.STORE, EntryKind.CAPTURED) - ledger.amount(Side.STORE, EntryKind.REFUNDED)
    fees = fees_presentment(order, ledger.amount(Side.ERP, EntryKind.FEE))
    due = _NOTHING if nothing_due else delivered_presentment(order, delivered) + fees
    name = f"money taken less refunds, beside the value delivered{' and fees' if fees else ''}"
    yield _equal(name, kept, due, currency=order.presentment_currency)


def _invoices(erp: ErpOrder, ledger: Ledger) -> Iterator[Equation]:
    """What the buyer is invoiced, beside the ERP's own order; where the ERP tells of no invoice, nothing is said.

    Where it tells of canceled ones alone, the buyer was billed nothing.
    """
    if not erp.invoices:
        return
    billed = ledger.amount(Side.ERP, EntryKind.INVOICED) - ledger.amount(Side.ERP, EntryKind.CREDITED)
    sides = ("ERP's invoices", "ERP's order")
    if erp.state is ErpOrderState.CANCELED:
        yield _equal("invoiced less credited though canceled", billed, _NOTHING, sides=sides)
    else:
        back = ledger.amount(Side.ERP, EntryKind.GIVEN_BACK) - ledger.amount(Side.ERP, EntryKind.FEE)
        yield _equal("invoiced less credited", billed, erp.total - back, sides=sides)


def _both(ledger: Ledger, kind: EntryKind, subject: str = "") -> tuple[Decimal, Decimal]:
    return ledger.amount(Side.STORE, kind, subject=subject), ledger.amount(Side.ERP, kind, subject=subject)


def _units(what: str, order: Order, store: dict[str, int], erp: dict[str, int]) -> Iterator[Equation]:
    titles = {line.line_id: line.title for line in order.lines}
    for line in sorted(store.keys() | erp.keys()):
        told = Difference(
            name=f"{what} line {line} ({titles.get(line, 'unknown to the store')})",
            storefront=Decimal(store.get(line, 0)),
            erp=Decimal(erp.get(line, 0)),
            unit=DifferenceUnit.UNITS,
        )
        yield Equation(told=told)
