"""The order's story in plain words: what the Temporal UI, the console and the command line show.

Pure functions of the state, deterministic, so that a workflow may call them.
"""

from domain.amendment import amendment_between
from domain.backorders import expected_words
from domain.cases import NOBODY, guide, known
from domain.connection import ERP_SYSTEM
from domain.money import format_money
from domain.order import LineKind, Order
from domain.quantities import LineState
from domain.status import OrderStatus, derive_status, describe
from workflows import backorder_story, cancel_story, kit_story, order_return_story, preorder_story
from workflows.messages import Attention, OperatorMessage, OrderView, Problem
from workflows.order_state import OrderState
from workflows.steps import (
    Step,
    awaited_exchanges,
    edit_to_be_paid,
    next_step,
    open_for_returns,
    stands_for_approval,
)

DETAIL_LINES = 10
"""How many of the last sentences of the story the current details show."""

_UNDER_WAY = {
    Step.READ: "reading the order from the storefront; tried again until it answers",
    Step.ASK_APPROVAL: "asking a person to approve the order",
    Step.SUBMIT: "entering the order in the ERP; tried again until it answers",
    Step.CAPTURE: "taking the money that is due before the goods leave; tried again until the storefront answers",
    Step.HAND_OVER: "writing down in the ERP what was handed over already; tried again until it answers",
    Step.AMEND: "carrying the edit into the ERP; tried again until it answers",
    Step.CANCEL_UNITS: "canceling units in the storefront; tried again until it answers",
    Step.ASK_WAREHOUSE: "asking the warehouse about what it has picked",
    Step.ASK_ABOUT_GIVEN_UP: "asking a person about what the ERP does not send any more",
    Step.CANCEL_REST: "canceling what is on backorder in the storefront; tried again until it answers",
    Step.SEND_WHAT_IS_THERE: "letting the ERP send what is there; tried again until it answers",
    Step.REPORT: "telling the storefront of a shipment and capturing its money; tried again until it answers",
    Step.ENTER_EXCHANGE: "entering in the ERP what the buyer gets in exchange; tried again until it answers",
    Step.OPEN_RETURN: "beginning a return",
    Step.TELL_RETURN: "telling a return what it waits for",
    Step.CLOSE: "comparing both systems to the cent before closing",
    Step.CANCEL: "canceling the order in the ERP, then in the storefront",
    Step.REPORT_PROBLEM: "putting the problem into its case",
    Step.LEAVE_CASES: "noting that the problem is over",
    Step.FINISH: "nothing: the order has ended",
}

_REMEDY_BY_STEP = {
    Step.READ: "Mend the cause in the storefront or the mapping, then resubmit.",
    Step.SUBMIT: "Mend the cause in the ERP or the mapping, then resubmit; or cancel the order.",
    Step.CAPTURE: "Mend the cause in the storefront, then resubmit; or cancel the order.",
    Step.HAND_OVER: "Mend the cause in the ERP, then resubmit; the goods have left.",
    Step.AMEND: "Mend the cause in the ERP or the mapping, or undo the edit in the storefront; then resubmit.",
    Step.CANCEL_UNITS: "Mend the cause in the storefront, then resubmit; or cancel the units there by hand.",
    Step.CANCEL_REST: "Mend the cause in the storefront, then resubmit; or cancel the units there by hand.",
    Step.SEND_WHAT_IS_THERE: "Mend the cause in the ERP, then resubmit; or release the order there by hand.",
    Step.ENTER_EXCHANGE: "Mend the cause in the ERP or the mapping, then resubmit.",
    Step.REPORT: "Mend the cause in the storefront, then resubmit; the shipment itself is safe in the ERP.",
    Step.CLOSE: "Mend the cause, then resubmit.",
    Step.CANCEL: "Mend the cause, then resubmit: the cancel goes on where it stopped.",
}
"""For causes of families that nobody foresaw; the others have their remedy in ``domain.case_guides``."""


def attention(state: OrderState) -> Attention:
    """The group an operations person looks at the order in."""
    if state.outcome is not None:
        return state.outcome
    if state.problem is not None or order_return_story.problem_of_return(state) is not None:
        return Attention.NEEDS_ATTENTION
    if state.held_by is not None:
        return Attention.ON_HOLD
    if open_for_returns(state):
        return Attention.DELIVERED
    if awaits_payment(state):
        return Attention.AWAITING_PAYMENT
    return Attention.AWAITING_RELEASE if preorder_story.waits(state) else Attention.WORKING


def awaits_payment(state: OrderState) -> bool:
    """The order, or what its buyer gets in exchange, does not go to the ERP before they pay."""
    if state.erp is None:
        return bool(state.payment.unpaid)
    return bool(state.payment.unpaid_exchange) and (bool(awaited_exchanges(state)) or edit_to_be_paid(state))


def status(state: OrderState) -> OrderStatus:
    """Derived from the quantities, never stored."""
    if state.outcome is Attention.CANCELED:
        return OrderStatus.CANCELED
    return derive_status(
        state.lines,
        submitted=state.erp is not None,
        closed=state.outcome is Attention.CLOSED,
        ignored=state.outcome is Attention.IGNORED,
    )


def sentence(state: OrderState) -> str:
    """Where the order stands."""
    match state.outcome:
        case Attention.CLOSED if state.closed_differing:
            return "Delivered and closed; what still differs was accepted by a person."
        case Attention.CLOSED if state.closed_on_terms:
            return "Delivered and balanced to the cent, to be paid on terms; closed."
        case Attention.CLOSED if state.order is not None and _nothing_left(state.order):
            return "Nothing is left of it, and both systems agree to the cent; closed."
        case Attention.CLOSED:
            return "Delivered, paid and balanced to the cent; closed."
        case Attention.CANCELED:
            return "Canceled in both systems."
        case Attention.IGNORED:
            return state.timeline[-1].text if state.timeline else "Ignored."
        case _:
            pass
    if state.order is None:
        return "Received; not read from the storefront yet."
    if state.erp is None:
        return "Read from the storefront; not in the ERP yet."
    return f"In the ERP as {state.erp.number}: {describe(_goods(state))}."


def _nothing_left(order: Order) -> bool:
    return not order.fulfillments and not any(line.current for line in order.lines)


def waiting_for(state: OrderState) -> str:
    """What has to happen for the order to move on."""
    if state.problem is not None and state.cancel is None:
        return f"a person: {full_stop(state.problem.reason)} {state.problem.remedy}"
    step = next_step(state)
    if step is not Step.WAIT:
        return _UNDER_WAY[step]
    if state.held_by is not None:
        return f"release: {state.held_by} put the order on hold"
    if awaits_payment(state):
        return f"the buyer to pay {_unpaid(state)}; it then goes on by itself"
    if problem := order_return_story.problem_of_return(state):
        return f"a person: {full_stop(problem.reason)} {problem.remedy}"
    if coming := [brief.number for brief in state.returns.values() if not brief.ended]:
        return f"return {' and '.join(coming)}, which has a page of its own"
    if state.window_until is not None and open_for_returns(state):
        return f"returns, until {state.window_until:%Y-%m-%d}; it then closes by itself"
    waits = preorder_story.waits(state) or backorder_story.waits(state) or kit_story.waits(state)
    return waits or "the warehouse to ship the rest; the ERP's change feed tells of it"


def waits_on(state: OrderState) -> str | None:
    """The system whose answer the order waits for, ``erp`` or its channel; None where it waits for something else."""
    match next_step(state):
        case Step.READ | Step.CAPTURE | Step.CANCEL_UNITS | Step.CANCEL_REST | Step.REPORT:
            return state.key.channel
        case Step.SUBMIT | Step.HAND_OVER | Step.AMEND | Step.SEND_WHAT_IS_THERE | Step.CLOSE | Step.CANCEL:
            return ERP_SYSTEM
        case Step.ENTER_EXCHANGE:
            return ERP_SYSTEM
        case Step.OPEN_RETURN if state.return_asks and state.return_asks[0].exchange:
            return state.key.channel
        case _:
            return None


def can_do(state: OrderState) -> tuple[str, ...]:
    """The operator messages that would be taken now."""
    wishes = {
        "cancel": not cancel_story.obstacle(state),
        "resubmit": state.problem is not None or order_return_story.problem_of_return(state) is not None,
        "accept": not accept_obstacle(state),
        "approve": not approve_obstacle(state),
        "hold": not hold_obstacle(state),
        "release": state.held_by is not None and state.outcome is None,
        "return": state.outcome is None and any(order_return_story.returnable_units(state).values()),
        "wait_for_all": not backorder_story.wait_obstacle(state),
        "ship_what_is_there": not backorder_story.ship_obstacle(state),
        "cancel_rest": not backorder_story.cancel_rest_obstacle(state),
    }
    return tuple(name for name, possible in wishes.items() if possible)


def hold_obstacle(state: OrderState) -> str:
    """Why the order cannot be put on hold now; empty where it can."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    return f"{state.held_by} put the order on hold already" if state.held_by else ""


def accept_obstacle(state: OrderState) -> str:
    """Why nothing can be accepted now; empty where the problem's differences can."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if state.problem is None:
        return "the order has no problem that waits for it"
    acceptable = state.problem.may_stay or state.problem.differences
    return "" if acceptable else "this problem is no difference that could stay as it is"


def approve_obstacle(state: OrderState) -> str:
    """Why nothing can be approved now; empty where the order waits for it."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if state.cancel is not None:
        return "the order is being canceled"
    return "" if stands_for_approval(state) else "the order waits for no approval"


def accepted(message: OperatorMessage, problem: Problem, currency: str) -> str:
    """Sentence for what a person takes as it is: what differs, or the problem where nothing is counted."""
    what = "; ".join(each.sentence(currency) for each in problem.differences) or problem.reason
    return f"Accepted ({message.reason}): {full_stop(what)}"


def because(message: OperatorMessage) -> str:
    """`` (why)``, as somebody said it; empty where nobody did."""
    return f" ({message.reason.strip().rstrip('.')})" if message.reason.strip() else ""


def unnamed(message: OperatorMessage, does: str) -> str:
    """What is missing for somebody to answer for a message; empty where nothing is."""
    if message.actor.strip() in {"", NOBODY}:
        return f"say who {does} (actor)"
    return "" if message.reason.strip() else "say why (reason)"


def remedy(step: Step, cause: str) -> str:
    """What a person should do about a problem."""
    return guide(cause).fix if known(cause) else _REMEDY_BY_STEP.get(step, "Mend the cause, then resubmit.")


def view(state: OrderState) -> OrderView:
    """Everything the query ``status`` answers."""
    return OrderView(
        key=state.key,
        number=state.order.number if state.order else state.key.external_id,
        erp_number=state.erp.number if state.erp else None,
        status=status(state),
        attention=attention(state),
        sentence=sentence(state),
        waiting_for=waiting_for(state),
        waits_on=waits_on(state),
        can_do=can_do(state),
        lines=state.lines,
        problem=state.problem or order_return_story.problem_of_return(state),
        mapping_version=state.mapping_version,
        acceptances=state.acceptances,
        returns=state.returns,
    )


_WITH_INPUT = {
    "cancel": 'or `cancel` for some units alone, with `{"actor": "you", "reason": "why", "lines": {"SKU": 1}}`',
    "return": (
        'or `return`, which takes goods back, with `{"actor": "you", "reason": "why", "lines": {"SKU": 1}}`'
        ' and, for something else instead, `"exchange": {"SKU": 1}`'
    ),
    "accept": 'or `accept`, which takes what differs as it is, with `{"actor": "you", "reason": "why"}`',
    "approve": 'or `approve`, which lets it go to the ERP, with `{"actor": "you", "reason": "why"}`',
}
"""How the messages are sent that say more than their name."""


def details(state: OrderState) -> str:
    """Markdown for the Temporal UI's current details."""
    title = state.order.number if state.order else str(state.key)
    parts = [f"### {title}: {sentence(state)}"]
    problem = state.problem or order_return_story.problem_of_return(state)
    if problem is not None and state.cancel is None:
        parts += [
            f"**Needs a person:** {full_stop(problem.reason)}",
            f"**What to do:** {problem.remedy}",
        ]
    else:
        parts.append(f"**Waits for** {waiting_for(state)}")
    possible = can_do(state)
    if possible:
        names = ", ".join(f"`{name}`" for name in possible if name not in {"accept", "approve", "return"})
        if names:
            parts.append(f"**You can send** {names}: More Actions, Send a Signal, the name, no input needed")
    parts += [how for name, how in _WITH_INPUT.items() if name in possible]
    # Each list has its heading: without one between them the UI draws two lists as one.
    if state.lines:
        parts.append("**Lines**\n\n" + "\n".join(_line_row(line) for line in _goods(state)))
    if state.returns:
        parts.append(
            "**Returns**\n\n" + "\n".join(order_return_story.row(brief) for brief in state.returns.values())
        )
    story = [f"- {e.at:%Y-%m-%d %H:%M:%S} {e.actor}: {e.text}" for e in state.timeline[-DETAIL_LINES:]]
    if story:
        parts.append("**Story (UTC)**\n\n" + "\n".join(story))
    return "\n\n".join(parts)


def full_stop(text: str) -> str:
    """The reason as a whole sentence: systems end theirs with or without a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _line_row(line: LineState) -> str:
    told = [f"{line.shipped} of {line.due} shipped"] if line.due or not line.canceled else []
    others = {
        f"on backorder{expected_words(line.expected)}": line.backordered,
        "given up by the ERP": line.given_up,
        "returned": line.returned,
        "canceled": line.canceled,
    }
    told += [f"{units} {what}" for what, units in others.items() if units]
    return f"- {line.sku or line.title}: {', '.join(told)}"


def _goods(state: OrderState) -> tuple[LineState, ...]:
    """The lines without tips, of which there are no units."""
    order = state.order
    tips = {line.line_id for line in order.lines if line.kind is LineKind.TIP} if order else set()
    return tuple(line for line in state.lines if line.line_id not in tips)


def unpaid(state: OrderState) -> str:
    """Sentence for an order, or what its buyer gets in exchange, that is to be paid first."""
    if edit_to_be_paid(state):
        what = "the edit of the exchange is carried into the ERP"
        return f"Not paid yet: {what} once the buyer has paid {_unpaid(state)}."
    if state.erp is not None:
        return f"Not paid yet: the exchange goes to the ERP once the buyer has paid {_unpaid(state)}."
    return f"Not paid yet: the order goes to the ERP once the buyer has paid {_unpaid(state)}."


def not_covered(state: OrderState) -> str:
    """Sentence for an edit of an order in the ERP that made it dearer than what is paid and promised."""
    currency = state.order.presentment_currency if state.order else ""
    missing = format_money(state.payment.unpaid, currency)
    then = "the goods are sent all the same, and the order closes once that is paid"
    return f"{missing} is neither paid nor promised; {then}."


def to_approve(state: OrderState) -> tuple[str, ...]:
    """What has to be approved, one fact each."""
    return state.approval.reasons if state.approval else ()


def needs_approval(state: OrderState) -> str:
    """Sentence for an order that a person has to approve first, with what presses."""
    assert state.order is not None
    facts = "; ".join(to_approve(state))
    text = f"Order {state.order.number} needs an approval before it goes to the ERP: {facts}."
    if state.payment.expiring:
        first = state.payment.expiring[0]
        text += f" Its authorization by {first.gateway} ends at {first.expires_at:%Y-%m-%d %H:%M} UTC."
    return text


def _unpaid(state: OrderState) -> str:
    assert state.order is not None
    amount = state.payment.unpaid if state.erp is None else state.payment.unpaid_exchange
    return format_money(amount, state.order.presentment_currency)


def pending_edit(state: OrderState, *, sold_alone: bool = False) -> str:
    """What is to be carried into the ERP, in words; ``sold_alone``: but for exchanges."""
    assert state.order is not None
    given = state.given or state.order
    exchanges = frozenset[str]() if sold_alone else state.exchanges
    amendment = amendment_between(given, state.order, left_units(state), exchanges)
    return amendment.sentence(state.order.currency) or "to what the storefront holds now"


def left_units(state: OrderState) -> dict[str, int]:
    """Line -> units that left the house, kits of which a part has left among them."""
    begun = state.erp.begun if state.erp is not None else {}
    goods = [line for line in state.lines if line.requires_shipping]
    return {line.line_id: line.shipped + begun.get(line.line_id, 0) for line in goods}
