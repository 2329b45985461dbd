"""What an order tells of its returns, in plain words, and which of its units may come back. Pure, as ``narrative``."""

from collections.abc import Mapping, Sequence

from domain.erp_order import ErpOrder, ErpReturnState
from domain.kit_returns import (
    back_with,
    called,
    in_pieces,
    kits_touched,
    line_of,
    piece_of,
    pieces_left,
)
from domain.money import format_money
from domain.order import LineKind
from domain.quantities import LineState, units_returned
from domain.status import count_units
from workflows.messages import Problem, ReturnAsked, ReturnBrief, ReturnWish
from workflows.order_state import OrderState


def row(brief: ReturnBrief) -> str:
    """A return's line in the details of its order."""
    units = count_units(sum(brief.lines.values()))
    if brief.ended:
        return f"- {brief.text}"
    instead = " and ".join(f"{count_units(n)} of {sku}" for sku, n in brief.exchange.items() if n)
    what = f"{units} for {instead}" if instead else units
    return f"- {brief.number}: {what}, {'waits for a person' if brief.problem else 'on its way'}"


def problem_of_return(state: OrderState) -> Problem | None:
    """What a person has to mend for one of the order's returns; the first of them."""
    return next((brief.problem for brief in state.returns.values() if brief.problem is not None), None)


def returnable_units(state: OrderState) -> dict[str, int]:
    """Line -> units that left, and that no return has to do with yet.

    Of what leaves in no parcel only a tip: of the rest the storefront does not tell a refund from an edit.
    """
    order = state.order
    # An order that came back to life knows of earlier returns by what the storefront shows.
    back = units_returned(order) if order is not None else {}
    tips = {line.line_id for line in order.lines if line.kind is LineKind.TIP} if order is not None else set()
    units = {
        line.line_id: line.shipped - max(line.returned, back.get(line.line_id, 0))
        if line.requires_shipping or line.line_id in tips
        else 0
        for line in state.lines
    }
    kits = state.erp.kits if state.erp is not None else {}
    for lines in _coming(state):
        pieces = in_pieces(lines, kits)
        # A kit of which a piece is to come back does not come back whole any more.
        coming = {name: n for name, n in pieces.items() if line_of(name) not in kits} | kits_touched(
            pieces, kits
        )
        for line, count in coming.items():
            units[line] = units.get(line, 0) - count
    units = {line: max(count, 0) for line, count in units.items()}
    for asked in state.return_asks:
        _take_asked(state, units, asked)
    return units


def _take_asked(state: OrderState, units: dict[str, int], asked: ReturnAsked) -> None:
    """Take off what is asked for, and has not begun: by line, or by SKU from the first line on."""
    for name, wanted in asked.lines.items():
        missing = wanted
        for line in state.lines:
            if name in {line.line_id, line.sku}:
                taken = min(missing, units.get(line.line_id, 0))
                units[line.line_id], missing = units.get(line.line_id, 0) - taken, missing - taken


def returnable_pieces(state: OrderState) -> dict[str, int]:
    """Piece of a kit -> how many of it are at the buyer, and in no return yet."""
    if state.erp is None:
        return {}
    kits, erp = state.erp.kits, state.erp
    gone = [back_with(each, kits) for each in erp.returns if each.state is not ErpReturnState.CANCELED]
    known = {each.return_id for each in erp.returns}
    gone += [brief.lines for name, brief in state.returns.items() if not brief.ended and name not in known]
    gone += [wish.lines for wish in state.return_wishes]
    found: dict[str, int] = {}
    for line in state.lines:
        found |= pieces_left(line.line_id, line.shipped, kits, gone)
    return found


def begins_after(state: OrderState) -> str:
    """When an asked for return begins, where it cannot begin at once: ``once ...``; empty where it can."""
    if state.held_by is not None:
        return "once the order is released from its hold"
    return "once the order goes on from its problem" if state.problem is not None else ""


def asked_for(state: OrderState, asked: ReturnAsked) -> str:
    """``2 units of TEE-BLK-M and 1 unit of ...``, of what somebody asked to take back."""
    names = {line.line_id: line.sku or line.title for line in state.lines}
    return " and ".join(
        f"{count_units(n)} of {names.get(name, name)}" for name, n in asked.lines.items() if n
    )


def _coming(state: OrderState) -> list[dict[str, int]]:
    """What returns under way, or about to begin, are of."""
    coming = [brief.lines for brief in state.returns.values() if not brief.ended]
    return [*coming, *(wish.lines for wish in state.return_wishes)]


def lines_named(state: OrderState, named: Mapping[str, int]) -> dict[str, int]:
    """Line -> units, of lines that people name by id or by SKU; a SKU on several lines is taken from the first on.

    What cannot be placed stands under the name as it was given.
    """
    left, found = returnable_units(state), dict[str, int]()
    pieces = returnable_pieces(state)
    for name, units in named.items():
        if of_kits := _pieces_named(state, name):
            for piece in of_kits:
                taken = min(units, pieces.get(piece, 0))
                if taken:
                    found[piece], units = found.get(piece, 0) + taken, units - taken  # noqa: PLW2901
            if units:
                found[name] = units
            continue
        if name in left:
            found[name] = found.get(name, 0) + units
            continue
        missing = units
        for line in state.lines:
            taken = min(missing, left[line.line_id]) if line.sku == name else 0
            if taken:
                found[line.line_id], missing = found.get(line.line_id, 0) + taken, missing - taken
        if missing:
            found[name] = missing
    return found


def _pieces_named(state: OrderState, name: str) -> list[str]:
    """The pieces that people call so, ``KIT-STARTER/SOCK-GRY``: by the SKU or id of their kit's line."""
    if any(name in {line.line_id, line.sku} for line in state.lines):
        return []
    return [
        piece_of(line.line_id, name.removeprefix(f"{kit}/"))
        for line in state.lines
        for kit in dict.fromkeys((line.line_id, line.sku or line.line_id))
        if name.startswith(f"{kit}/")
    ]


def obstacle(state: OrderState, asked: ReturnAsked) -> str:
    """Why these units cannot be returned; empty where they can."""
    if state.outcome is not None:
        return f"the order is {state.outcome.value} already"
    if not any(asked.lines.values()):
        return "say what comes back: lines, such as TEE-BLK-M=1"
    if asked.exchange and not any(asked.exchange.values()):
        return "say what the buyer gets instead, such as MUG-LOGO=1"
    left = returnable_units(state)
    pieces = returnable_pieces(state)
    unshipped = {line.line_id: line.sku or line.title for line in state.lines if not line.requires_shipping}
    for line, units in lines_named(state, asked.lines).items():
        if line in unshipped and not asked.without_goods:
            return f"{unshipped[line]} needs no shipping, so that nothing of it comes back; ask without goods"
        if units <= (pieces if line in pieces else left).get(line, 0):
            continue
        if _pieces_named(state, line):
            there = count_units(sum(pieces.get(each, 0) for each in _pieces_named(state, line)))
            return f"{there} of {line} can come back: what a kit is not made of, or is in a return already, cannot"
        found = [each for each in state.lines if line in {each.line_id, each.sku}]
        same = [each.line_id for each in found]
        if found and not any(each.requires_shipping or left[each.line_id] for each in found):
            return f"{line} left in no parcel; refund it in the storefront, the order in the ERP follows"
        if not same:
            names = ", ".join(sorted({each.sku or each.line_id for each in state.lines}))
            return f"{line} is on no line of the order; it has {names}"
        free = sum(left.get(each, 0) for each in same)
        told = f"only {count_units(free)}" if free else "no unit"
        called = found[0].sku or line
        return f"{told} of {called} left the warehouse and {'is' if free <= 1 else 'are'} in no return yet"
    return ""


def exchanged(lines: Sequence[LineState]) -> str:
    """Sentence for what has come onto the order in exchange."""
    what = " and ".join(f"{count_units(line.due)} of {line.sku or line.title}" for line in lines)
    return f"On the order in exchange for what comes back: {what}."


def exchange_entered(erp: ErpOrder, return_id: str) -> str:
    """Sentence for an exchange that the ERP has."""
    made = next(each for each in erp.exchanges if each.return_id == return_id)
    return f"Exchange entered in the ERP as {made.number}, {format_money(made.total, erp.currency)}."


def opened(state: OrderState, wish: ReturnWish) -> str:
    """Sentence for a return that begins."""
    names = {line.line_id: line.sku or line.title for line in state.lines}
    what = " and ".join(f"{count_units(n)} of {called(names, line)}" for line, n in wish.lines.items() if n)
    why = f" ({wish.reason})" if wish.reason else ""
    if wish.exchange:
        instead = " and ".join(f"{count_units(n)} of {sku}" for sku, n in wish.exchange.items() if n)
        return f"Exchange {wish.number} begins: {what} for {instead}{why}."
    return f"Return {wish.number} begins: {what}{why}."
