"""A return's story in plain words: what the Temporal UI and the command line show. Pure functions of its state."""

from decimal import Decimal

from domain.cases import family, guide, known
from domain.connection import ERP_SYSTEM
from domain.kit_returns import called, fee_words
from domain.money import format_money
from domain.returns import Disposition
from domain.status import count_units
from workflows.narrative import full_stop
from workflows.return_messages import Inspection, ReturnLine, ReturnState, ReturnView
from workflows.return_steps import (
    ReturnStep,
    given_back,
    goods_are_in,
    next_return_step,
    received,
    settled_in_erp,
    to_be_refunded,
    units_that_become,
)

_GIVEN_BY_HAND = frozenset({"not_returnable", "refund_exceeds_payment", "payment_unknown"})
"""Causes for which a refund stops where people have refunded in the storefront themselves."""
_UNDER_WAY = {
    ReturnStep.REPORT_PROBLEM: "putting the problem into its case",
    ReturnStep.ASK_APPROVAL: "asking a person whether to agree",
    ReturnStep.AUTHORIZE: "letting the warehouse expect the goods; tried again until both systems answer",
    ReturnStep.ASK_INSPECTION: "finding out what becomes of the goods",
    ReturnStep.RELEASE: "putting on the order what the buyer gets instead; tried again until the storefront answers",
    ReturnStep.CREDIT: "settling the goods and crediting them in the ERP; tried again until it answers",
    ReturnStep.REFUND: "giving the money back in the storefront; tried again until it answers",
    ReturnStep.GIVE_UP: "ending the return in both systems",
    ReturnStep.LEAVE_CASE: "leaving the case of a problem that is over",
    ReturnStep.FINISH: "nothing: the return has ended",
}


def opened(state: ReturnState) -> str:
    """Sentence for the beginning."""
    wish = state.wish
    what = goods(state, wish.lines)
    why = f" ({wish.reason})" if wish.reason else ""
    if wish.exchange:
        keeps = ", which the buyer keeps" if wish.without_goods else ""
        return f"Exchange of {what} for {instead(state)}, wanted by {wish.origin}{why}{keeps}."
    if wish.without_goods:
        return f"Refund of {what} without waiting for the goods{why}."
    return f"Return of {what}, wanted by {wish.origin}{why}."


def authorized(state: ReturnState) -> str:
    """Sentence once the warehouse knows."""
    assert state.erp is not None
    return f"Agreed to; the warehouse expects the goods as {state.erp.number}."


def came(state: ReturnState) -> str:
    """Sentence for goods that came in."""
    return f"Back at the warehouse so far: {goods(state, received(state))}."


def judged(state: ReturnState, reason: str = "") -> str:
    """Sentence for the inspection, and why it came to that where somebody said it."""
    words = {
        Disposition.RESTOCK: "back in stock",
        Disposition.SCRAP: "written off" if not state.wish.without_goods else "kept by the buyer, or lost",
        Disposition.REJECT: "not taken back",
    }
    parts = []
    for verdict, told in words.items():
        units = units_that_become(state, verdict)
        if units:
            parts.append(f"{goods(state, units)} {told}")
    why = f" ({reason.strip().rstrip('.')})" if reason.strip() else ""
    return f"Inspected{why}: {'; '.join(parts) or 'nothing'}."


def released(state: ReturnState) -> str:
    """Sentence for what the buyer gets in exchange."""
    return f"On the order in exchange: {instead(state)}."


def instead(state: ReturnState) -> str:
    """What the buyer gets in exchange, in words."""
    return " and ".join(f"{count_units(n)} of {sku}" for sku, n in sorted(state.wish.exchange.items()) if n)


def credited(state: ReturnState) -> str:
    """Sentence for the ERP's part."""
    assert state.credited is not None
    returned, currency = state.credited.returned, state.credited.currency
    if not given_back(state):
        return f"Settled in the ERP as {returned.number}: nothing is credited."
    credit = format_money(returned.total, currency)
    return f"Settled in the ERP as {returned.number}: {credit} credited{fee_words(returned, currency)}."


def refunded(state: ReturnState) -> str:
    """Sentence for the storefront's part."""
    assert state.refunded is not None
    if not state.refunded.amount:
        why = ": what comes back is set off against what they get in exchange" if state.wish.exchange else ""
        return f"No money is given back to the buyer{why}."
    return f"{format_money(state.refunded.amount, state.refunded.currency)} given back to the buyer."


def ended(state: ReturnState) -> str:
    """Sentence for the end, also in the order's own story."""
    if state.give_up is not None and state.credited is None and not state.by_hand:
        text = f"Return {state.wish.number} ended without goods: {full_stop(state.give_up.reason)}"
        return text + _rest_of_exchange(state)
    if not given_back(state):
        return f"Return {state.wish.number}: nothing was taken back.{_rest_of_exchange(state)}"
    if state.by_hand and state.give_up is not None:
        return _ended_by_hand(state, full_stop(state.give_up.reason))
    assert state.credited is not None
    assert state.refunded is not None
    credit = format_money(state.credited.returned.total, state.credited.currency)
    money = format_money(state.refunded.amount, state.refunded.currency)
    return (
        f"Return {state.wish.number}: {goods(state, given_back(state))}; {credit} credited, {money} refunded."
        + (f" In exchange: {instead(state)}." if state.wish.exchange else "")
    )


def _ended_by_hand(state: ReturnState, reason: str) -> str:
    """What was credited is the ERP's word, from before the money was to be worked out anew."""
    back = goods(state, given_back(state))
    assert state.erp is not None
    return (
        f"Return {state.wish.number}: {back}; credited in the ERP as {state.erp.number}, nothing refunded by "
        f"Orderwright, as the money was given back by hand: {reason}"
        + (f" In exchange: {instead(state)}." if state.wish.exchange else "")
    )


def _rest_of_exchange(state: ReturnState) -> str:
    """What becomes of an exchange whose goods are not taken back."""
    if not state.wish.exchange:
        return ""
    if state.released:
        return f" What the buyer got in exchange is theirs to pay: {instead(state)}."
    return f" The exchange is canceled: {instead(state)}."


def money_given_back(state: ReturnState) -> Decimal:
    """Money that went back, and the fee, in the buyer's currency."""
    if state.refunded is None or state.credited is None:
        return Decimal(0)
    return state.refunded.amount + state.credited.fee


def sentence(state: ReturnState) -> str:
    """Where the return stands."""
    if state.ended is not None:
        return state.ended
    if state.credited is not None:
        return credited(state)
    if any(received(state).values()) and not state.wish.without_goods:
        return came(state)
    return authorized(state) if state.erp is not None else opened(state)


def waiting_for(state: ReturnState) -> str:
    """What has to happen for the return to move on."""
    if state.problem is not None:
        return f"a person: {full_stop(state.problem.reason)} {state.problem.remedy}"
    step = next_return_step(state)
    if step is not ReturnStep.WAIT:
        return _UNDER_WAY[step]
    left = {line: units - received(state).get(line, 0) for line, units in state.wish.lines.items()}
    return f"the goods: {goods(state, {line: n for line, n in left.items() if n > 0})} are still to come"


def waits_on(state: ReturnState) -> str | None:
    """The system whose answer the return waits for, ``erp`` or its channel; None where it waits for something else."""
    match next_return_step(state):
        case ReturnStep.AUTHORIZE | ReturnStep.CREDIT:
            return ERP_SYSTEM
        case ReturnStep.RELEASE | ReturnStep.REFUND | ReturnStep.GIVE_UP:
            return state.key.channel
        case _:
            return None


def can_do(state: ReturnState) -> tuple[str, ...]:
    """The messages that would be taken now."""
    wishes = {
        "approve": not approve_obstacle(state),
        "inspect": not inspect_obstacle(state),
        "settle": not settle_obstacle(state),
        "end": not end_obstacle(state, by_person=True),
        "resubmit": state.problem is not None,
    }
    return tuple(name for name, possible in wishes.items() if possible)


def approve_obstacle(state: ReturnState) -> str:
    """Why nothing is to be agreed to; empty where something is."""
    if state.ended is not None or state.agreed or state.erp is not None or not state.wish.requested:
        return f"return {state.wish.number} waits for nobody's agreement"
    return ""


def inspect_obstacle(state: ReturnState, inspection: Inspection | None = None) -> str:
    """Why these verdicts cannot be taken; empty where they can."""
    if state.ended is not None or state.credited is not None or settled_in_erp(state):
        return f"return {state.wish.number} is settled already"
    if state.settling:
        return "the ERP is told already what becomes of the goods; wait for its answer"
    if state.wish.without_goods or not any(received(state).values()):
        return "no goods are back yet"
    if inspection is None:
        return ""
    back = received(state)
    if unknown := sorted(inspection.lines.keys() - back.keys()):
        return f"line {unknown[0]} is not part of what came back; lines are {', '.join(sorted(back))}"
    for line, units in back.items():
        told = sum(inspection.lines.get(line, {}).values())
        if told != units:
            name = called(state.names, line)
            return f"{name}: {count_units(units)} came back, and {count_units(told)} are judged; name each of them"
    return ""


def settle_obstacle(state: ReturnState) -> str:
    """Why nothing can be settled now; empty where what is back can."""
    if state.ended is not None or state.credited is not None:
        return f"return {state.wish.number} is settled already"
    if goods_are_in(state):
        return "all goods are back: it is settled without being asked"
    return "" if any(received(state).values()) else "no goods are back yet"


def end_obstacle(state: ReturnState, *, by_person: bool = False) -> str:
    """Why the return cannot end without goods; empty where it can.

    Once it is credited a person alone may end it, where its refund stopped since money was given back by hand.
    """
    problem = state.problem
    if by_person and state.ended is None and problem is not None and to_be_refunded(state):
        # What was to end by hand, and was refused by a system, may be asked for again.
        refused = state.by_hand and state.end_refused is not None
        if refused or (given_back(state) and family(problem.cause) in _GIVEN_BY_HAND):
            return ""
    if state.ended is not None or state.give_up is not None:
        return f"return {state.wish.number} has ended, or is about to"
    if to_be_refunded(state):
        return "it is credited already; the money goes back next"
    if state.settling:
        return "it is being credited; wait for the ERP's answer"
    if any(received(state).values()) and not state.wish.without_goods:
        return "goods are back; inspect them instead (reject what is not taken back)"
    return ""


def remedy(step: ReturnStep, cause: str) -> str:
    """What a person should do about a problem."""
    if known(cause):
        return guide(cause).fix
    return f"Mend the cause, then resubmit; it goes on with: {step.value}."


def goods(state: ReturnState, units: dict[str, int]) -> str:
    """``2 units of TEE-BLK-M and 1 unit of MUG``."""
    told = [f"{count_units(n)} of {called(state.names, line)}" for line, n in sorted(units.items()) if n]
    return " and ".join(told) or "nothing"


def view(state: ReturnState) -> ReturnView:
    """Everything the query ``status`` answers."""
    return ReturnView(
        key=state.key,
        return_id=state.wish.return_id,
        number=state.wish.number,
        sentence=sentence(state),
        waiting_for=waiting_for(state),
        waits_on=waits_on(state),
        can_do=can_do(state),
        lines=_lines(state),
        problem=state.problem,
        ended=state.ended is not None,
    )


def _lines(state: ReturnState) -> tuple[ReturnLine, ...]:
    back = received(state) if not state.wish.without_goods else {}
    return tuple(
        ReturnLine(
            line_id=line,
            name=called(state.names, line),
            wanted=state.wish.lines.get(line, 0),
            received=back.get(line, 0),
            verdicts=state.verdicts.get(line, {}),
        )
        for line in sorted(state.wish.lines.keys() | back.keys())
    )


def details(state: ReturnState) -> str:
    """Markdown for the Temporal UI's current details."""
    name = f"Return {state.wish.number}"
    told = sentence(state).removeprefix(name).lstrip(": ")
    parts = [f"### {name} of order {state.order_number}: {told}"]
    if state.problem is not None:
        parts += [
            f"**Needs a person:** {full_stop(state.problem.reason)}",
            f"**What to do:** {state.problem.remedy}",
        ]
    else:
        parts.append(f"**Waits for** {waiting_for(state)}")
    if possible := can_do(state):
        parts.append(f"**You can do** {', '.join(f'`{name}`' for name in possible)}")
    story = [f"- {e.at:%Y-%m-%d %H:%M:%S} {e.actor}: {e.text}" for e in state.timeline]
    parts.append("**Story (UTC)**\n\n" + "\n".join(story))
    return "\n\n".join(parts)
