"""What must hold of goods that come back, after every step and at rest: units, money, and each cause once."""

from collections import Counter
from decimal import Decimal

from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState
from domain.money import minor_digits
from domain.order import Order, OrderKey, PaymentKind, PaymentStatus
from domain.returns import LIVE
from tests.machine.model import Model, Units
from tests.machine.page import cents, refunded, refunded_by_returns
from tests.machine.world import World
from workflows.messages import Attention

_TAKEN = {PaymentKind.CAPTURE, PaymentKind.SALE}
_OVER = {ErpReturnState.SETTLED, ErpReturnState.CANCELED}


def check_returns(world: World, key: OrderKey, model: Model) -> None:
    """After every step."""
    order, erp = world.storefront.orders[key.external_id], world.erp.orders.get(key)
    credited: Counter[str] = Counter()
    for each in erp.returns if erp else ():
        units = _credited(each)
        credited.update(units)
        came = model.came.get(each.return_id)
        if each.state is ErpReturnState.SETTLED and came is not None:
            assert Counter(units) <= Counter(came), f"{each.return_id}: {units} credited, {came} came in"
            _is_what_was_said(each, units, model)
    for line, units_back in credited.items():
        if line not in model.sheet.without_parcel:
            left = model.left.get(line, 0)
            assert units_back <= left, f"{units_back} of line {line} credited, {left} left"
    _paid_back_once(order, world, model)
    for line, gone in model.back.items():
        assert gone <= credited[line], f"{gone} of line {line} refunded, {credited[line]} credited"
    view = world.view(key)
    for line_state in view.lines if view else ():
        assert line_state.returned <= line_state.shipped, f"more came back than left: {line_state}"
        assert line_state.returned <= model.back.get(line_state.line_id, 0), f"not refunded: {line_state}"


def check_returns_at_rest(world: World, key: OrderKey, model: Model) -> None:
    """Nothing is under way: what has ended is the same in both systems, cause by cause."""
    order, erp = world.storefront.orders[key.external_id], world.erp.orders.get(key)
    under_way = world.returns_under_way(key)
    for each in order.returns:
        if each.return_id not in under_way and each.status in LIVE:
            assert _stopped(world, key), f"nobody carries return {each.number}"
    for held in erp.returns if erp else ():
        if held.return_id in under_way:
            continue
        refund = model.refunds.get(held.return_id)
        credited = _credited(held)
        assert held.state in _OVER or _stopped(world, key), f"nobody carries {held}"
        assert (refund.units if refund else {}) == credited, (
            f"{held.return_id}: {refund}, {credited} credited"
        )
        worth = cents(order, held.total + held.fee)
        assert (refund.worth if refund else 0) == worth, f"{held.return_id}: {refund}, {worth} credited"


def returned_worth(erp: ErpOrder) -> Decimal:
    """What all returns of the ERP's order credit, fees not taken off."""
    return sum((each.total + each.fee for each in erp.returns), Decimal(0))


def check_kept(order: Order, erp: ErpOrder, kept: Decimal) -> None:
    """The buyer's money is what the page shows, and the fees; fees of another currency may be rounded."""
    taken = [p for p in order.payments if p.kind in _TAKEN and p.status is PaymentStatus.SUCCESS]
    paid, worth = sum((p.presentment_amount for p in taken), Decimal(0)), sum(p.amount for p in taken)
    fees = sum((each.fee for each in erp.returns), Decimal(0))
    fees = fees * paid / worth if worth else Decimal(0)
    same = order.currency == order.presentment_currency or not fees
    rounding = Decimal(0) if same else Decimal(1) / 10 ** minor_digits(order.presentment_currency)
    due = order.presentment_total + fees
    assert abs(kept - due) <= rounding, f"closed with {kept} of {due}"


def on_the_page(model: Model) -> Units:
    """Line -> units that were to leave: what the page shows, and what was taken back."""
    units = Counter(model.sheet.units)
    units.update(model.back)
    return dict(units)


def _paid_back_once(order: Order, world: World, model: Model) -> None:
    """Every refund has its return, or units that were taken off the page, and no money went back beside."""
    if order.canceled_at is not None:
        return
    paid = refunded(order) - model.back_for_units
    told = refunded_by_returns(world)
    assert paid == told, f"{paid} refunded, {told} of it for returns"
    if order.currency == order.presentment_currency:
        most, beyond = model.given_back, refunded_by_returns(world, "balance:")
        assert cents(order, told - beyond) <= most, f"{told - beyond} refunded for what was worth {most}"
        # What an exchange, or an edit before it, has left over: no more than is held beyond the page.
        taken = (p for p in order.payments if p.kind in _TAKEN and p.status is PaymentStatus.SUCCESS)
        held = sum((p.presentment_amount for p in taken), Decimal(0)) - refunded(order)
        assert not beyond or held >= order.presentment_total, (
            f"{beyond} refunded, and {held} held is too little"
        )


def _is_what_was_said(each: ErpReturn, units: Units, model: Model) -> None:
    """Restocked, scrapped and rejected are what came in, as a person or the rule has said."""
    said = [
        Counter(words["restock"]) + Counter(words["scrap"]) for words in model.said.get(each.return_id, ())
    ]
    # A resubmit says that all of it goes on the shelf.
    assert not said or Counter(units) in said or model.resubmitted, f"{each}: said was {said}"


def _credited(each: ErpReturn) -> Units:
    return {line.line_id: line.quantity for line in each.credited if line.quantity}


def _stopped(world: World, key: OrderKey) -> bool:
    """A person is to let the order go on first."""
    view = world.view(key)
    return view is None or view.problem is not None or view.attention is Attention.ON_HOLD
