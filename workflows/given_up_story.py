"""What an order tells of units that the ERP's people gave up, in plain words, and what may be done. Pure."""

from domain.status import count_units
from domain.unit_cancels import without_given_up
from workflows.cancel_story import page
from workflows.order_state import OrderState
from workflows.steps import is_changing


def asks(state: OrderState) -> str:
    """Sentence for the question what is to become of them."""
    assert state.erp is not None
    return (
        f"The ERP does not send {_units(state)} any more: its people gave that up, and in the storefront it is sold "
        "still. Cancel it, or have it sent after all?"
    )


def cancel_obstacle(state: OrderState) -> str:
    """Why what was given up cannot be canceled now; empty where it can. Only of an order that asks for it."""
    if state.cancel is not None or state.unit_cancel is not None or state.rest_cancel is not None:
        return "it is being canceled already"
    if is_changing(state):
        return "an edit of the order is under way; ask again in a moment"
    assert state.erp is not None
    if cancelable(state):
        return ""
    return "goods of an exchange are canceled with their return, in the storefront"


def cancelable(state: OrderState) -> dict[str, int]:
    """Line -> units that it comes down to once what was given up is canceled, of lines of which that is possible."""
    assert state.erp is not None
    return without_given_up(page(state), state.erp)


def _units(state: OrderState) -> str:
    """``2 units of CAP-NAVY and 1 unit of ...``."""
    assert state.erp is not None
    given_up = state.erp.given_up
    names = {line.line_id: line.sku or line.title for line in state.lines}
    return " and ".join(f"{count_units(given_up[x])} of {names.get(x, x)}" for x in sorted(given_up))
