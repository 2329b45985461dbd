"""What a return does next: one pure decision over its state."""

from enum import StrEnum

from domain.erp_order import ErpReturnState
from domain.kit_returns import line_of
from domain.return_rules import ApprovalRule, ExchangeRule, InspectionRule
from domain.returns import Disposition, units_received
from workflows.return_messages import ReturnState


class ReturnStep(StrEnum):
    """The next thing to do; ``WAIT`` means that a message or the clock moves it on."""

    REPORT_PROBLEM = "put the problem into its case"
    ASK_APPROVAL = "ask a person whether to agree"
    AUTHORIZE = "agree and let the warehouse expect the goods"
    ASK_INSPECTION = "ask a person what becomes of the goods"
    RELEASE = "put on the order what the buyer gets in exchange"
    CREDIT = "settle the goods and credit them in the ERP"
    REFUND = "give the money back in the storefront"
    GIVE_UP = "end the return in both systems"
    LEAVE_CASE = "leave the case of a problem that is over"
    WAIT = "wait"
    FINISH = "finish"


def next_return_step(state: ReturnState) -> ReturnStep:
    """Decide from the state alone. What it does next releases it from its case; where it waits, nothing else would."""
    step = _work(state)
    over = state.was_stopped and state.problem is None
    return ReturnStep.LEAVE_CASE if over and step is ReturnStep.WAIT else step


def _work(state: ReturnState) -> ReturnStep:
    if state.ended is not None:
        return ReturnStep.FINISH
    if state.problem is not None:
        return ReturnStep.WAIT if state.problem.in_case else ReturnStep.REPORT_PROBLEM
    if state.credited is not None and not (state.by_hand and state.give_up is not None):
        return ReturnStep.REFUND
    if state.give_up is not None:
        return ReturnStep.GIVE_UP
    if state.wish.requested and not state.agreed and state.rules.approval is ApprovalRule.ASK:
        return ReturnStep.ASK_APPROVAL
    if state.erp is None and not state.wish.without_goods:
        return ReturnStep.AUTHORIZE
    to_release = bool(state.wish.exchange) and not state.released
    if to_release and state.rules.exchange_ships is ExchangeRule.AT_ONCE:
        return ReturnStep.RELEASE
    if not goods_are_in(state):
        return ReturnStep.WAIT
    if not state.verdicts:
        return ReturnStep.ASK_INSPECTION
    # First, so that what comes back is set off against it, and the difference alone is given back.
    return ReturnStep.RELEASE if to_release and given_back(state) else ReturnStep.CREDIT


def received(state: ReturnState) -> dict[str, int]:
    """Line -> units that are back; of a return without goods, all of them count."""
    if state.wish.without_goods:
        return dict(state.wish.lines)
    return units_received(state.erp) if state.erp else {}


def is_less(name: str, known: dict[str, int], now: dict[str, int]) -> bool:
    """Whether fewer units of a line are there now; a piece of a kit that became whole is still there."""
    whole = line_of(name)
    if whole != name and now.get(whole, 0) > known.get(whole, 0):
        return False
    return now.get(name, 0) < known[name]


def goods_are_in(state: ReturnState) -> bool:
    """Everything is back, or what is back is to be settled without the rest."""
    if state.wish.without_goods:
        return True
    units = received(state)
    if not any(units.values()):
        return False
    return not state.goods_awaited or all(units.get(line, 0) >= n for line, n in state.wish.lines.items())


def by_rule(state: ReturnState) -> dict[str, dict[Disposition, int]]:
    """What the rule makes of what is back; empty where a person is to say it.

    Goods that the buyer keeps cannot be stocked: they are written off.
    """
    if state.wish.without_goods:
        return {line: {Disposition.SCRAP: units} for line, units in received(state).items() if units}
    if state.rules.inspection_of(exchange=bool(state.wish.exchange)) is InspectionRule.ASK:
        return {}
    return {line: {Disposition.RESTOCK: units} for line, units in received(state).items() if units}


def judged(state: ReturnState) -> dict[str, int]:
    """Line -> units of which somebody, or the rule, said what becomes of them."""
    return {line: sum(verdict.values()) for line, verdict in state.verdicts.items() if any(verdict.values())}


def units_that_become(state: ReturnState, disposition: Disposition) -> dict[str, int]:
    """Line -> units of that verdict; lines without any are left out."""
    found = {line: verdict.get(disposition, 0) for line, verdict in state.verdicts.items()}
    return {line: units for line, units in found.items() if units}


def given_back(state: ReturnState) -> dict[str, int]:
    """Line -> units whose worth is given back."""
    units = units_that_become(state, Disposition.RESTOCK)
    for line, scrapped in units_that_become(state, Disposition.SCRAP).items():
        units[line] = units.get(line, 0) + scrapped
    return units


def units_in_storefront(state: ReturnState) -> tuple[dict[str, int], dict[str, int]]:
    """Line -> units that are restocked there, and that are given back beside them; of kits in parts whole ones."""
    credited = state.credited
    if credited is None or credited.units_restocked is None or credited.units_scrapped is None:
        return units_that_become(state, Disposition.RESTOCK), units_that_become(state, Disposition.SCRAP)
    return credited.units_restocked, credited.units_scrapped


def units_back(state: ReturnState) -> dict[str, int]:
    """Line -> units that the storefront counts as returned, once the money went back."""
    if state.ended is None or state.refunded is None:
        return {}
    restocked, scrapped = units_in_storefront(state)
    units = {line: restocked.get(line, 0) + scrapped.get(line, 0) for line in (*restocked, *scrapped)}
    return {line: number for line, number in units.items() if number}


def to_be_refunded(state: ReturnState) -> bool:
    """It is credited in the ERP, and nothing has gone back to the buyer yet."""
    return (state.credited is not None or state.refund_stopped) and state.refunded is None


def settled_in_erp(state: ReturnState) -> bool:
    """The ERP has credited it already."""
    return state.erp is not None and state.erp.state is ErpReturnState.SETTLED
