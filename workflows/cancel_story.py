"""What an order tells of units that are to be canceled, in plain words, and what may be. Pure, as ``narrative``."""

from collections.abc import Mapping
from decimal import Decimal

from activities.contracts import RestCanceled
from domain.money import format_money
from domain.order import CancelKind, Order, PaymentKind, PaymentStatus
from domain.quantities import page_after_returns
from domain.status import count_units
from domain.unit_cancels import CancelPlan, all_that_has_not_left, hands_on
from workflows.messages import CancelAsked, CancelRequest, CancelStage, UnitCancel
from workflows.order_state import OrderState
from workflows.steps import is_changing


def why(wish: CancelRequest | UnitCancel, unsaid: str = "no reason given") -> str:
    """Why it is canceled: its kind, where it was said, and the reason."""
    told = "" if wish.kind is CancelKind.OTHER else wish.kind.value
    return ": ".join(part for part in (told, wish.reason) if part) or unsaid


def obstacle(state: OrderState, asked: CancelAsked | None = None) -> str:
    """Why it cannot be canceled now; empty where it may be tried (the ERP has the last word)."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if state.cancel is not None:
        return "the order is being canceled already"
    waits = state.unit_cancel is None or state.unit_cancel.stage is CancelStage.WAITS
    if state.rest_cancel is not None or not waits:
        return "units of it are being canceled already"
    named = any(asked.lines.values()) if asked is not None else False
    if not named and not _has_left(state):
        return ""
    if state.order is None:
        return "the order is not read yet; ask again in a moment"
    free = units_free(state)
    if not any(free.values()):
        return _nothing_left(state)
    if is_changing(state):
        return "an edit of the order is under way; ask again in a moment"
    return _not_named(state, asked.lines) if asked is not None and named else ""


def units_free(state: OrderState) -> dict[str, int]:
    """Line -> units that have not left, of lines that may be canceled."""
    if state.order is None:
        return {}
    now = page(state)
    down_to = all_that_has_not_left(now, state.erp, state.lines)
    return {
        line.line_id: line.current - down_to[line.line_id] for line in now.lines if line.line_id in down_to
    }


def page(state: OrderState) -> Order:
    """The order as the storefront has it by now: what came back is off its lines, whenever it was read."""
    assert state.order is not None
    return page_after_returns(state.order, state.lines)


def wish_of(state: OrderState, asked: CancelAsked) -> dict[str, int]:
    """Line -> units that it is to come down to; without a line all that has not left is canceled."""
    now = page(state)
    if not any(asked.lines.values()):
        return all_that_has_not_left(now, state.erp, state.lines)
    off, _ = _taken(state, asked.lines)
    return {line.line_id: line.current - off[line.line_id] for line in now.lines if line.line_id in off}


def asked_for(wish: UnitCancel, order: Order) -> str:
    """Sentence for a wish."""
    return f"Asked to cancel {units(order, wish.down_to)}: {why(wish)}."


def units(order: Order, down_to: Mapping[str, int]) -> str:
    """What is canceled of an order: ``2 units of CAP-NAVY; 1 unit of ...``."""
    return "; ".join(
        f"{count_units(line.current - down_to[line.line_id])} of {line.sku or line.title}"
        for line in order.lines
        if down_to.get(line.line_id, line.current) < line.current
    )


def units_canceled(before: Order, down_to: Mapping[str, int], canceled: RestCanceled) -> str:
    """Sentence for units that the storefront has canceled."""
    order = canceled.order
    text = f"Canceled {units(before, down_to)} in the storefront: {format_money(order.total, order.currency)} now"
    back = _given_back(order) - _given_back(before)
    return f"{text}, {format_money(back, order.currency)} given back." if back else f"{text}."


def _given_back(order: Order) -> Decimal:
    """Money refunded so far, in the order's currency."""
    return sum(
        (
            each.amount
            for each in order.payments
            if each.kind is PaymentKind.REFUND and each.status is PaymentStatus.SUCCESS
        ),
        Decimal(0),
    )


def asks_the_warehouse(state: OrderState, plan: CancelPlan) -> str:
    """Why a cancel cannot go on: the goods are picked."""
    assert state.order is not None
    assert state.erp is not None
    in_hand = hands_on(state.erp)
    shipments = [
        f"{s.number} from {s.warehouse} is {s.state}"
        for s in state.erp.shipments
        if s.shipment_id in in_hand and any(part.line_id in plan.in_hand for part in s.lines)
    ]
    return (
        f"{_named(state.order, plan.in_hand)} cannot be canceled yet: shipment {' and '.join(shipments)}. "
        "If the warehouse puts the goods back, they are canceled; if it sends them, they are not."
    )


def over(state: OrderState, plan: CancelPlan) -> str:
    """Sentence for a wish of which nothing is left to do."""
    if not plan.left or state.order is None:
        return "Nothing more is to be canceled."
    return (
        f"Not canceled: {_named(state.order, plan.left)} left the warehouse; take back what left as a return."
    )


def _named(order: Order, counts: Mapping[str, int]) -> str:
    names = {line.line_id: line.sku or line.title for line in order.lines}
    return " and ".join(f"{count_units(n)} of {names.get(line, line)}" for line, n in counts.items())


def _has_left(state: OrderState) -> bool:
    begun = state.erp is not None and bool(state.erp.begun)
    return begun or any(line.shipped for line in state.lines)


def _nothing_left(state: OrderState) -> str:
    shipped = sum(line.shipped for line in state.lines)
    if state.erp is not None and state.erp.begun and not shipped:
        return "a part of a kit has left the warehouse; let the rest follow, and take it back as a return"
    have = "has" if shipped == 1 else "have"
    return f"{count_units(shipped)} {have} left the warehouse; take back what left as a return"


def _taken(state: OrderState, named: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Line -> units to cancel of lines named by id or SKU, the first with it first; and name -> units that are over."""
    assert state.order is not None
    free, off, over_ = units_free(state), dict[str, int](), dict[str, int]()
    for name, count in named.items():
        missing = count
        for line in state.order.lines:
            if missing and name in {line.line_id, line.sku}:
                taken = min(missing, free.get(line.line_id, 0) - off.get(line.line_id, 0))
                if taken > 0:
                    off[line.line_id], missing = off.get(line.line_id, 0) + taken, missing - taken
        if missing:
            over_[name] = missing
    return off, over_


def _not_named(state: OrderState, named: Mapping[str, int]) -> str:
    assert state.order is not None
    _, beyond = _taken(state, named)
    for name in beyond:
        same = [line.line_id for line in state.order.lines if name in {line.line_id, line.sku}]
        if not same:
            names = ", ".join(sorted({line.sku or line.line_id for line in state.order.lines}))
            return f"{name} is on no line of the order; it has {names}"
        free = sum(units_free(state).get(each, 0) for each in same)
        return (
            f"only {count_units(free)} of {name} can be canceled"
            if free
            else f"no unit of {name} can be canceled"
        )
    return ""
