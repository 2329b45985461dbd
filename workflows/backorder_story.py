"""What an order tells of units that are not in stock, in plain words. Pure, as ``narrative``."""

from collections.abc import Iterable

from domain.backorder_rules import OnShortage
from domain.backorders import ShortageAct, judge_shortage, shortage_words, without_rest
from domain.cases import BACKORDER, family
from domain.erp_order import ErpOrder
from domain.quantities import LineState
from workflows import given_up_story
from workflows.order_state import OrderState
from workflows.steps import is_changing, stands_for_given_up


def short(erp: ErpOrder, lines: Iterable[LineState]) -> str:
    """Sentence for what is not in stock."""
    return f"On backorder: {shortage_words(erp, _names(lines))}."


def asks(erp: ErpOrder, lines: Iterable[LineState]) -> str:
    """Sentence for the question what is to become of it."""
    return f"Not in stock: {shortage_words(erp, _names(lines))}. Wait for all, send what is there, or cancel the rest?"


def waits(state: OrderState) -> str:
    """What an order with units on backorder waits for; empty for one without."""
    if state.erp is None or not state.short:
        return ""
    text = f"stock: {shortage_words(state.erp, _names(state.lines))}"
    held = state.backorder_rules.holds_back and not state.ship_what_is_there
    if held and state.backorder_rules.on_shortage is OnShortage.WAIT_FOR_ALL:
        text += "; nothing leaves before all of it is there"
    since = state.short_since
    if since is not None:
        verdict = judge_shortage(state.backorder_rules, state.short, since, since, state.short_settled)
        if verdict.act is ShortageAct.CANCEL_REST:
            text += f"; what is not there is canceled at {verdict.at:%Y-%m-%d %H:%M} UTC"
    return text


def wait_obstacle(state: OrderState) -> str:
    """Why a decision to wait is not to be taken now; empty where it is."""
    if state.problem is None or family(state.problem.cause) != BACKORDER:
        return "nobody was asked what is to become of a backorder"
    return ""


def ship_obstacle(state: OrderState) -> str:
    """Why a decision to send what is there is not to be taken now; empty where it is."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if not state.short:
        return "nothing of the order is on backorder"
    held_back = state.backorder_rules.holds_back and not state.ship_what_is_there
    return "" if held_back else "what is there of the order leaves in any case"


NOTHING_TO_CANCEL = (
    "what is on backorder is canceled in the storefront already, or it came in exchange: "
    "that is canceled with its return, in the storefront"
)


def cancel_rest_obstacle(state: OrderState) -> str:
    """Why the rest cannot be canceled now; empty where it can."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if stands_for_given_up(state):
        return given_up_story.cancel_obstacle(state)
    if state.cancel is not None or state.rest_cancel is not None:
        return "it is being canceled already"
    if not state.short:
        return "nothing of the order is on backorder"
    if is_changing(state):
        return "an edit of the order is under way; ask again in a moment"
    assert state.order is not None
    assert state.erp is not None
    return "" if without_rest(state.order, state.erp) else NOTHING_TO_CANCEL


def _names(lines: Iterable[LineState]) -> dict[str, str]:
    return {line.line_id: line.sku or line.title for line in lines}
