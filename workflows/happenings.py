"""What happened to an order, one sentence each: the entries of its story. Pure, as ``narrative``."""

from datetime import datetime
from decimal import Decimal

from activities.contracts import AmendedOrder, OrderClosing, PaymentsCaptured, ShipmentReported
from domain.amendment import EditParts
from domain.balance import BalanceReport
from domain.differences import disagreement
from domain.erp_order import ErpOrder, ErpShipment, ErpShipmentState
from domain.money import format_money
from domain.order import LineKind, Order
from domain.payment_outlook import ExpiringAuthorization
from domain.status import OrderStatus, count_units
from domain.tax_reconciliation import tolerated_words
from workflows.messages import Problem


def balanced(closing: OrderClosing, currency: str) -> str:
    """Sentence for an order that is delivered and balanced, and that waits for returns."""
    assert closing.window_until is not None
    total = format_money(closing.report.total, currency)
    return (
        f"Balanced: storefront and ERP ({closing.erp_number}) agree on {total}; open for returns until "
        f"{closing.window_until:%Y-%m-%d}."
    )


def received(order: Order) -> str:
    """Sentence for the first read."""
    goods = [line for line in order.lines if line.kind is LineKind.GOODS]
    units, worth = sum(line.current for line in goods), format_money(order.total, order.currency)
    return f"Order {order.number} of {order.customer.name}: {count_units(units)}, {worth}."


def reopened(ended: OrderStatus) -> str:
    """Sentence for an order that had ended and comes back to life."""
    return f"Comes back to life, after it was {ended}; what follows is read again in both systems."


def submitted(erp: ErpOrder) -> str:
    """Sentence for the submission."""
    warehouses = sorted({s.warehouse for s in erp.shipments})
    where = f", to be shipped from {' and '.join(warehouses)}" if warehouses else ""
    total = f"{format_money(erp.total, erp.currency)}{tolerated_words(erp)}"
    return f"Entered in the ERP as {erp.number}, {total}{where}."


def reminder(problem: Problem, now: datetime) -> str:
    """Sentence for an approval that nobody has given for days."""
    days = (now - problem.since).days
    return f"Reminder: still waits for an approval, for {days} day{'' if days == 1 else 's'} now."


def captured(outcome: PaymentsCaptured, order: Order) -> str:
    """Sentence for money that was taken before its goods left."""
    return f"{format_money(outcome.captured, order.currency)} captured so far, before the goods leave."


def expires(expiring: ExpiringAuthorization, order: Order, now: datetime) -> str:
    """Sentence for an authorization that does not last until its goods leave."""
    money = format_money(expiring.amount, order.presentment_currency)
    ends = f"{'ends' if expiring.expires_at > now else 'ended'} at {expiring.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"The authorization by {expiring.gateway} {ends}: {money} of it is not taken and the goods have not left."


def amended(outcome: AmendedOrder, before: ErpOrder, parts: EditParts | None) -> str:
    """Sentence for an edit that the ERP took over, into each of its records that it concerned."""
    erp = outcome.erp
    were = {each.return_id: each.number for each in before.exchanges}
    are = {each.return_id: each for each in erp.exchanges}
    carried, gone = [], []
    if parts is None or parts.sold or not parts.exchanges:
        total = erp.total - sum((each.total for each in erp.exchanges), Decimal(0))
        place = _carried(erp.number, before.number, total, erp.currency)
        carried.append(f"{place}, {' and '.join(erp.supplements)} included" if erp.supplements else place)
    for return_id in parts.exchanges if parts is not None else ():
        was, now = were.get(return_id, ""), are.get(return_id)
        if now is not None:
            carried.append(_carried(now.number, was, now.total, erp.currency))
        else:
            gone.append(f"exchange {was} is canceled, nothing of it is sent".replace("  ", " "))
    sentences = [f"Edit carried into {'; '.join(carried)}."] if carried else []
    sentences += [f"Edit carried over: {'; '.join(gone)}."] if gone else []
    text = " ".join(sentences)
    return f"{text} Not done any more: {outcome.not_done}." if outcome.not_done else text


def _carried(number: str, before: str, total: Decimal, currency: str) -> str:
    place = f"; it takes the place of {before}" if before and before != number else ""
    return f"{number}, {format_money(total, currency)} now{place}"


def shipped(shipment: ErpShipment, reported: ShipmentReported, order: Order) -> str:
    """Sentence for a shipment."""
    units = sum(line.quantity for line in shipment.lines)
    parcel = (
        f" with {shipment.carrier or 'tracking'} {shipment.tracking_number}"
        if shipment.tracking_number
        else ""
    )
    money = format_money(reported.captured, order.currency)
    return (
        f"{count_units(units)} left {shipment.warehouse} as {shipment.number}{parcel}; "
        f"storefront told, {money} captured so far."
    )


def delivered_already(erp: ErpOrder) -> str:
    """Sentence for an order that was handed over before the ERP knew of it."""
    left = [shipment for shipment in erp.shipments if shipment.state is ErpShipmentState.SHIPPED]
    where = " and ".join(sorted({shipment.warehouse for shipment in left}))
    names = " and ".join(shipment.number for shipment in left)
    waiting = any(s.state not in {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED} for s in erp.shipments)
    rest = "the rest is to be shipped" if waiting else "nobody ships it, nobody is told"
    return f"Handed over already: written down as left from {where} ({names}); {rest}."


def closed(closing: OrderClosing, currency: str) -> str:
    """Sentence for the closing."""
    if closing.report.accepted:
        listed = "; ".join(d.sentence(currency) for d in closing.report.accepted)
        return f"Closed with what a person accepted: {listed}."
    report = closing.report
    total, taken = (format_money(x, currency) for x in (report.total, report.captured))
    later = (
        f", {format_money(report.on_terms, currency)} due on terms ({report.terms})"
        if report.on_terms
        else ""
    )
    return f"Closed: storefront and ERP ({closing.erp_number}) agree on {total}; {taken} captured{later}."


def given_back(closing: OrderClosing, currency: str) -> str:
    """Sentence for money that an order with exchanges held beyond what it comes to."""
    return f"{format_money(closing.given_back, currency)} given back to the buyer: more was paid than it comes to now."


def unbalanced(report: BalanceReport, currency: str) -> str:
    """Sentence that names each difference."""
    return disagreement(report.differences, currency)
