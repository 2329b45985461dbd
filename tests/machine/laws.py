"""What must hold after every step, and what at the end. Each law reads the systems' own books and the model."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import text

from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.money import minor_digits
from domain.order import Order, OrderKey, PaymentKind, PaymentStatus
from tests.machine.model import Model
from tests.machine.page import cents, sheet_of
from tests.machine.return_laws import (
    check_kept,
    check_returns,
    check_returns_at_rest,
    on_the_page,
    returned_worth,
)
from tests.machine.world import World
from workflows.messages import Attention, OrderView

# Read as plain tables: a law does not ask the house's own queries.
_OPEN_CASES = text(
    "SELECT cause FROM cases JOIN case_order ON case_id = cases.id "
    "WHERE external_id = :id AND left_at IS NULL AND state = 'open'"
)
_ROW = text("SELECT problem, status, closed_at FROM order_view WHERE external_id = :id")


def check_after_every_step(world: World, key: OrderKey, model: Model) -> None:
    order = world.storefront.orders[key.external_id]
    check_returns(world, key, model)
    _money_is_conserved(order, model)
    _parcels_are_told_once(order, model)
    _erp_holds_it_once(world, key)
    view = world.view(key)
    if view is not None:
        _units_are_conserved(view, model)
        _stops_for_a_reason(view, model)


def check_at_rest(world: World, key: OrderKey, model: Model) -> None:
    """Nothing is under way and nothing on its way."""
    view = world.view(key)
    if view is None:
        return
    _cases_say_what_the_order_says(world, key, view)
    check_returns_at_rest(world, key, model)
    order, erp = world.storefront.orders[key.external_id], world.erp.orders.get(key)
    match view.attention:
        case Attention.CANCELED:
            assert order.canceled_at is not None, "canceled, but not in the storefront"
            assert erp is None or erp.state is ErpOrderState.CANCELED, "canceled, but not in the ERP"
            assert _kept(order) == 0, f"canceled, and {_kept(order)} kept"
            assert not model.left, "canceled though parcels left"
        case Attention.CLOSED if not model.accepted:
            assert erp is not None
            assert order.canceled_at is None
            assert erp.state is not ErpOrderState.CANCELED
            assert erp.total - returned_worth(erp) == order.total
            check_kept(order, erp, _kept(order))
            wanted = {
                line: units
                for line, units in on_the_page(model).items()
                if units and line not in model.sheet.without_parcel
            }
            assert {k: v for k, v in model.left.items() if v} == wanted, (
                f"closed with {model.left} of {wanted}"
            )
            told = Counter(p.line_id for f in order.fulfillments for p in f.lines for _ in range(p.quantity))
            assert dict(told) == wanted, f"closed, storefront was told of {dict(told)}"


def _money_is_conserved(order: Order, model: Model) -> None:
    """Per authorization no more is captured than was authorized, in all no more than was delivered at that moment."""
    settled = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    for authorization in settled:
        if authorization.kind is PaymentKind.AUTHORIZATION:
            taken = sum(
                p.presentment_amount
                for p in settled
                if p.kind is PaymentKind.CAPTURE and p.parent_id == authorization.payment_id
            )
            assert taken <= authorization.presentment_amount, (
                f"{taken} taken of {authorization.presentment_amount}"
            )
    captured = cents(order, sum((p.amount for p in settled if p.kind is PaymentKind.CAPTURE), Decimal(0)))
    sales = cents(order, sum((p.amount for p in settled if p.kind is PaymentKind.SALE), Decimal(0)))
    # A sale was the buyer's own doing. Each line's share may be rounded up by a minor unit, and what the buyer pays by
    # one of the currency they pay in, which may be a coarser one.
    tolerance = len(order.lines) + 1 + _one_paid(order)
    most = max(model.may_have_taken, Fraction(sales))
    assert captured == 0 or captured + sales <= most + tolerance, f"{captured + sales} taken, right is {most}"
    refunded = cents(order, sum((p.amount for p in settled if p.kind is PaymentKind.REFUND), Decimal(0)))
    assert refunded <= captured + sales
    assert sheet_of(order).total >= 0


def _one_paid(order: Order) -> Fraction:
    """What one minor unit of the buyer's currency is in the shop's, at the rate at which the money was promised.

    An edit leaves totals of which one may be nothing, and no rate.
    """
    promised = [p for p in order.payments if p.kind in {PaymentKind.AUTHORIZATION, PaymentKind.SALE}]
    worth = cents(order, sum((p.amount for p in promised), Decimal(0)))
    paid = sum((p.presentment_amount for p in promised), Decimal(0))
    units = int(paid * 10 ** minor_digits(order.presentment_currency))
    return Fraction(worth, units) if units else Fraction(0)


def _parcels_are_told_once(order: Order, model: Model) -> None:
    """Each fulfillment tells of a parcel that left, each parcel is told once, and of no unit twice."""
    seen: Counter[str] = Counter()
    for fulfillment in order.fulfillments:
        tracking = fulfillment.tracking_number or ""
        assert tracking in model.parcels, f"the storefront shows a parcel {tracking} that never left"
        seen[tracking] += 1
        units = Counter({p.line_id: p.quantity for p in fulfillment.lines})
        assert units <= Counter(model.parcels[tracking]), f"{tracking}: told {units}"
    assert not seen or max(seen.values()) == 1, f"told twice: {seen}"


def _erp_holds_it_once(world: World, key: OrderKey) -> None:
    held = [record for record in world.erp.records() if record.key == key]
    assert len(held) <= 1
    erp = world.erp.orders.get(key)
    if erp is None:
        return
    on_hand: Counter[tuple[str, str]] = Counter()
    products = {(line.line_id, line.warehouse): line.product for line in erp.lines}
    for shipment in erp.shipments:
        for part in shipment.lines if shipment.state is not ErpShipmentState.CANCELED else ():
            on_hand[shipment.warehouse, products[part.line_id, shipment.warehouse]] += part.quantity
    for place, first in world.first_stock.items():
        assert world.erp.stock[place] + on_hand[place] == first, f"stock of {place} is not what was taken"
        assert world.erp.stock[place] >= 0, f"{place} is oversold"


def _units_are_conserved(view: OrderView, model: Model) -> None:
    left = model.left
    for line in view.lines:
        parts = (line.ordered, line.canceled, line.backordered, line.shipped, *line.allocated.values())
        assert all(units >= 0 for units in parts), f"below zero: {line}"
        open_units = line.ordered - line.canceled - line.shipped
        assert open_units >= 0, f"more left than is due: {line}"
        assert sum(line.allocated.values()) + line.backordered + line.given_up <= open_units, (
            f"promised twice: {line}"
        )
        if line.requires_shipping:
            assert line.shipped <= left.get(line.line_id, 0), f"{line.shipped} of {line.line_id} never left"


def _stops_for_a_reason(view: OrderView, model: Model) -> None:
    if view.problem is not None:
        family = view.problem.cause.partition(":")[0]
        assert family in model.reasons, (
            f"stopped without a reason: {view.problem.cause}: {view.problem.reason}"
        )


def _cases_say_what_the_order_says(world: World, key: OrderKey, view: OrderView) -> None:
    """An order that waits for a person is in the case of its cause; one that does not is in none.

    It may still wait in the case of an earlier step as well, until that step is done.
    """
    with world.database.read() as session:
        causes = set(session.connection().execute(_OPEN_CASES, {"id": key.external_id}).scalars())
        row = session.connection().execute(_ROW, {"id": key.external_id}).one()
    if view.problem is not None:
        assert view.problem.cause in causes, f"stopped at {view.problem.cause}, in cases {causes}"
        assert row.problem, "its row tells of no problem"
    elif view.attention is not Attention.ON_HOLD:
        assert not causes, f"nothing stops it, but it is in cases {causes}"
        assert not row.problem, f"nothing stops it, but its row says {row.problem}"
    over = view.attention in {Attention.CLOSED, Attention.CANCELED}
    assert (row.closed_at is not None) == over, f"{view.attention}, its row: {row.status}"


def _kept(order: Order) -> Decimal:
    signs = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}
    settled = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    return sum((p.presentment_amount * signs.get(p.kind, 0) for p in settled), Decimal(0))
