"""What an order does next: one pure decision over its state, so that it can be read and tested apart."""

from enum import StrEnum

from domain.cases import APPROVAL_NEEDED, GIVEN_UP, family
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipment, ErpShipmentState
from domain.exchanges import missing_exchanges
from domain.quantities import LineState, page_after_returns
from domain.unit_cancels import given_up_still_sold
from workflows.messages import CancelStage
from workflows.order_state import OrderState


class Step(StrEnum):
    """The next thing to do; ``WAIT`` means that only a message can move the order on."""

    READ = "read the order from the storefront"
    CANCEL = "cancel the order"
    ASK_APPROVAL = "ask a person to approve the order"
    SUBMIT = "enter the order in the ERP"
    CAPTURE = "take money before its goods leave"
    HAND_OVER = "write down in the ERP what was handed over already"
    AMEND = "carry the change into the ERP"
    ENTER_EXCHANGE = "enter in the ERP what the buyer gets in exchange"
    OPEN_RETURN = "begin a return"
    TELL_RETURN = "tell a return what it waits for"
    CANCEL_UNITS = "cancel units of the order"
    ASK_ABOUT_GIVEN_UP = "ask a person about what the ERP gave up"
    ASK_WAREHOUSE = "ask the warehouse about units that are to be canceled"
    CANCEL_REST = "cancel what is on backorder"
    SEND_WHAT_IS_THERE = "let the ERP send what is there"
    REPORT = "tell the storefront of a shipment"
    CLOSE = "prove the order balanced and close it"
    REPORT_PROBLEM = "put the problem into its case"
    LEAVE_CASES = "leave the case of a problem that is over"
    WAIT = "wait"
    FINISH = "finish"


def next_step(state: OrderState) -> Step:
    """Decide from the state alone. A wish to cancel goes before everything; a hold or a problem stops the rest."""
    if state.outcome is not None:
        return Step.FINISH
    if state.cancel is not None:
        return Step.CANCEL
    if cancels_units(state):
        # Once: a page that lacks them still is not read in a circle.
        return Step.READ if state.reread and lacks_returns(state) else Step.CANCEL_UNITS
    if state.problem is not None and not state.problem.in_case:
        return Step.REPORT_PROBLEM
    if state.return_tellings:
        return Step.TELL_RETURN
    if state.problem is None and state.held_by is not None and state.amend and state.amend_at_once:
        # Read first where the storefront told of more: what it was told of would else be tried again without an end.
        return Step.READ if state.reread else Step.AMEND
    if state.problem is not None or state.held_by is not None:
        # What an order that waits for an approval hears, or one that asks about units, may be the answer.
        answers = stands_for_approval(state) or stands_for_given_up(state)
        hears = state.reread and state.held_by is None and answers
        return Step.READ if hears else Step.WAIT
    if state.reread or state.order is None:
        return Step.READ
    if state.leaves_cases:
        return Step.LEAVE_CASES
    step = _work(state)
    return Step.LEAVE_CASES if step is Step.WAIT and state.in_cases else step


def _work(state: OrderState) -> Step:
    """What brings an order forward that nothing holds up."""
    if state.erp is None:
        return _way_to_the_erp(state)
    if (change := _change_in_the_erp(state)) is not None:
        return change
    if state.payment.capture_now or state.capture_all:
        return Step.CAPTURE
    if unreported_shipments(state):
        return Step.REPORT
    if state.return_asks or state.return_wishes:
        return Step.OPEN_RETURN
    if given_up_undecided(state):
        return Step.ASK_ABOUT_GIVEN_UP
    return Step.CLOSE if _may_close(state) else Step.WAIT


def _change_in_the_erp(state: OrderState) -> Step | None:
    """What the ERP, or the warehouse, is to hear of first; None where they know all."""
    if state.hand_over:
        return Step.HAND_OVER
    if state.amend and (sold_part_first(state) or not edit_to_be_paid(state)):
        return Step.AMEND
    if state.unit_cancel is not None and state.unit_cancel.stage is CancelStage.TRIED:
        return Step.ASK_WAREHOUSE
    if exchange_to_enter(state) is not None:
        return Step.ENTER_EXCHANGE
    if state.rest_cancel is not None:
        return Step.CANCEL_REST
    return Step.SEND_WHAT_IS_THERE if state.send_what_is_there else None


def _way_to_the_erp(state: OrderState) -> Step:
    """Paid or promised first, then approved, then released."""
    if state.payment.unpaid:
        return Step.WAIT
    if lacks_approval(state):
        return Step.ASK_APPROVAL
    if state.release is not None:
        return Step.CAPTURE if state.capture_all else Step.WAIT
    return Step.SUBMIT


def lacks_returns(state: OrderState) -> bool:
    """Whether the order was read before units that came back were off its page."""
    return state.order is not None and page_after_returns(state.order, state.lines) != state.order


def is_changing(state: OrderState) -> bool:
    """Whether units are to be counted only after an edit, known or about to be read, has its end.

    Not after that of an exchange alone which its buyer has still to pay: that may take days.
    """
    apart = state.exchange_apart and edit_to_be_paid(state) and not sold_part_first(state)
    return (state.amend and not apart) or state.reread or state.reading


def cancels_units(state: OrderState) -> bool:
    """Somebody wants units canceled, and nobody has tried yet."""
    wish = state.unit_cancel
    return wish is not None and wish.stage is CancelStage.WANTED and state.order is not None


def exchange_to_enter(state: OrderState) -> str | None:
    """The return whose new lines go into the ERP next; None while they are to be paid first, or there are none."""
    if not awaited_exchanges(state) or state.payment.unpaid_exchange:
        return None
    return awaited_exchanges(state)[0]


def edit_to_be_paid(state: OrderState) -> bool:
    """An edit made an exchange dearer that the ERP has, and is carried over once that is paid."""
    dearer = state.amend and state.edited is not None and state.edited.dearer
    return dearer and bool(state.payment.unpaid_exchange)


def sold_part_first(state: OrderState) -> bool:
    """What was sold is edited as well: that waits for no money of an exchange, or the wrong goods would leave."""
    edited = state.edited
    return state.exchange_apart and edited is not None and edited.sold and edit_to_be_paid(state)


def awaited_exchanges(state: OrderState) -> tuple[str, ...]:
    """Returns whose new lines are on the order and not in the ERP yet."""
    if state.order is None or state.erp is None or state.erp.state is ErpOrderState.CANCELED:
        return ()
    return missing_exchanges(state.order, state.erp)


def _may_close(state: OrderState) -> bool:
    """Delivered, nothing on its way back, and either to be proven balanced (again) or past its return window."""
    if (
        state.amend
        or not is_delivered(state.lines)
        or state.erp is None
        or state.erp.state is ErpOrderState.CANCELED
    ):
        return False
    if not all(brief.ended for brief in state.returns.values()):
        return False
    return state.unproven or state.window_over


def stands_for_approval(state: OrderState) -> bool:
    """The order has stopped until somebody approves it."""
    return state.problem is not None and family(state.problem.cause) == APPROVAL_NEEDED


def stands_for_given_up(state: OrderState) -> bool:
    """The order has stopped until somebody says what is to become of units that the ERP's people gave up."""
    return state.problem is not None and family(state.problem.cause) == GIVEN_UP


def given_up_undecided(state: OrderState) -> bool:
    """The ERP sends units no more, and the storefront has them still."""
    if state.order is None or state.erp is None or state.amend:
        return False
    return bool(given_up_still_sold(state.order, state.erp))


def lacks_approval(state: OrderState) -> bool:
    """Somebody has to approve the order as it is now, and nobody has."""
    if state.approval is None or state.order is None:
        return False
    return state.approved is None or not state.approved.covers(state.order)


def unreported_shipments(state: OrderState) -> tuple[ErpShipment, ...]:
    """Shipments that left and that the storefront does not know yet, in the order they left."""
    return tuple(s for s in _tellable(state) if s.shipment_id not in state.fulfillments and s.lines)


def shipped_ids(erp: ErpOrder) -> set[str]:
    """Ids of the shipments that left the house."""
    return {s.shipment_id for s in erp.shipments if s.state is ErpShipmentState.SHIPPED}


def still_here(erp: ErpOrder) -> set[str]:
    """Ids of the shipments that are to leave the house."""
    over = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}
    return {s.shipment_id for s in erp.shipments if s.state not in over}


def delivered_with(state: OrderState, shipment: ErpShipment) -> dict[str, int]:
    """Units shipped per line in all shipments the storefront knows, and this one."""
    delivered: dict[str, int] = {}
    for known in _tellable(state):
        if known.shipment_id in state.fulfillments or known.shipment_id == shipment.shipment_id:
            for line in known.lines:
                delivered[line.line_id] = delivered.get(line.line_id, 0) + line.quantity
    return delivered


def units_by_sku(state: OrderState, shipment: ErpShipment) -> dict[str, int]:
    """SKU -> units in a shipment; lines without a SKU are left out."""
    skus = {line.line_id: (line.sku or "").strip() for line in state.lines}
    units: dict[str, int] = {}
    for part in shipment.lines:
        if sku := skus.get(part.line_id):
            units[sku] = units.get(sku, 0) + part.quantity
    return units


def _tellable(state: OrderState) -> list[ErpShipment]:
    """Shipments that left, those that the storefront knows first, the rest in the order they left.

    Of a line that the ERP refused to lower no more units than the storefront has: it takes no others.
    """
    if state.erp is None:
        return []
    left = [s for s in state.erp.shipments if s.state is ErpShipmentState.SHIPPED]
    left.sort(
        key=lambda s: (
            s.shipment_id not in state.fulfillments,
            s.shipped_at is None,
            s.shipped_at,
            s.shipment_id,
        )
    )
    if not state.kept or state.order is None:
        return left
    room = {line.line_id: line.current for line in state.order.lines if line.line_id in state.kept}
    told = []
    for shipment in left:
        parts = []
        for part in shipment.lines:
            units = min(part.quantity, room.get(part.line_id, part.quantity))
            if part.line_id in room:
                room[part.line_id] -= units
            if units:
                parts.append(part.model_copy(update={"quantity": units}))
        told.append(shipment.model_copy(update={"lines": tuple(parts)}))
    return told


def open_for_returns(state: OrderState) -> bool:
    """Everything has left and was told to the storefront, and it was proven balanced then."""
    return state.window_until is not None and is_delivered(state.lines) and not unreported_shipments(state)


def is_delivered(lines: tuple[LineState, ...]) -> bool:
    """Nothing is left to ship or to cancel."""
    return all(line.open == 0 for line in lines)
