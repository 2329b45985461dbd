"""Returns: asked for, agreed to or declined, given up, settled unit by unit, closed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from domain.model import Frozen, Quantity
from sandbox.store import exchanging, payments, refunding
from sandbox.store.editing import pick_line
from sandbox.store.exchanging import ExchangeUnits
from sandbox.store.money_records import RefundRecord, Restock
from sandbox.store.outbox import Outbox
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.refunding import RefundUnits, RefundWish
from sandbox.store.requests import Act, AskReturn
from sandbox.store.return_records import (
    Disposition,
    DispositionRecord,
    Reason,
    ReturnLineRecord,
    ReturnRecord,
    Status,
)
from sandbox.store.state import State


class WrongState(NotAllowed):
    """The return is in a state in which that is not possible."""


class ReturnUnits(Frozen):
    """Units of a parcel's line that are to come back."""

    fulfillment_line_id: int
    quantity: int
    reason: Reason = "unwanted"
    note: str = ""
    customer_note: str | None = None


class Settled(Frozen):
    """Units of a return's line that are dealt with, and what became of them; of the rest nobody says it."""

    return_line_id: int
    quantity: int
    dispositions: tuple[tuple[int, Disposition, Quantity, int | None], ...] = ()
    """Reverse line, what became of them, units, location."""


def ask(state: State, outbox: Outbox, order: OrderRecord, request: AskReturn) -> ReturnRecord:
    """The buyer asks, or the shop's staff agrees at once. Raises NotAllowed for units that have not left."""
    units: list[ReturnUnits] = []
    for wanted in request.lines:
        line = pick_line(order, wanted.line)
        left = wanted.quantity
        for part in (
            part for parcel in order.fulfillments for part in parcel.lines if part.line_id == line.id
        ):
            taken = min(left, _free(order, part.id))
            left -= taken
            if taken:
                units.append(
                    ReturnUnits(
                        fulfillment_line_id=part.id,
                        quantity=taken,
                        reason=wanted.reason,
                        customer_note=wanted.note or None,
                    )
                )
        if left:
            raise NotAllowed(f"{left} of {wanted.quantity} units of line {line.id} cannot come back", "lines")
    exchange = exchanging.named(state, request.instead)
    return make(state, outbox, order, units, "OPEN" if request.agreed else "REQUESTED", exchange=exchange)


def make(
    state: State,
    outbox: Outbox,
    order: OrderRecord,
    units: Sequence[ReturnUnits],
    status: Literal["REQUESTED", "OPEN"],
    *,
    exchange: Sequence[ExchangeUnits] = (),
) -> ReturnRecord:
    """A new return, and what the buyer gets for it.

    Raises NotAllowed for units that have not left, came back or are in another return, and for what is not for sale.
    """
    if not units:
        raise NotAllowed("Return line items can't be blank", "returnLineItems")
    with state.transaction():
        parcels = {part.id: part for parcel in order.fulfillments for part in parcel.lines}
        now = datetime.now(UTC)
        made = ReturnRecord(
            id=state.next_id("return"),
            name=f"{order.name}-R{len(order.returns) + 1}",
            status="REQUESTED",
            created_at=now,
            lines=[],
        )
        order.returns.append(made)
        for part in units:
            if part.fulfillment_line_id not in parcels:
                raise NotAllowed("Fulfillment line item does not exist", "returnLineItems")
            free = _free(order, part.fulfillment_line_id)
            if not 0 < part.quantity <= free:
                message = (
                    f"Return line item quantity must be between 1 and {free}, the units that can come back"
                )
                raise NotAllowed(message, "returnLineItems")
            made.lines.append(
                ReturnLineRecord(
                    id=state.next_id("return_line"),
                    line_id=parcels[part.fulfillment_line_id].line_id,
                    fulfillment_line_id=part.fulfillment_line_id,
                    quantity=part.quantity,
                    reason=part.reason,
                    note=part.note,
                    customer_note=part.customer_note,
                    reverse_line_id=state.next_id("reverse_line"),
                )
            )
        made.exchange = exchanging.noted(state, exchange)
        if status == "OPEN":
            _open(state, made)
        state.save_order(order)
        outbox.announce_return(order, made, "returns/approve" if status == "OPEN" else "returns/request")
    return made


def approve(state: State, outbox: Outbox, order: OrderRecord, wanted: ReturnRecord) -> None:
    """Agree to what the buyer asks for. Raises NotAllowed in any other state."""
    _check(wanted, "approved", "REQUESTED")
    with state.transaction():
        _open(state, wanted)
        state.save_order(order)
        outbox.announce_return(order, wanted, "returns/approve")


def decline(
    state: State,
    outbox: Outbox,
    order: OrderRecord,
    wanted: ReturnRecord,
    *,
    reason: Literal["FINAL_SALE", "OTHER", "RETURN_PERIOD_ENDED"],
    note: str,
) -> None:
    """Refuse what the buyer asks for. Raises NotAllowed in any other state."""
    _check(wanted, "declined", "REQUESTED")
    with state.transaction():
        wanted.status, wanted.decline_reason, wanted.decline_note = "DECLINED", reason, note
        state.save_order(order)
        outbox.announce_return(order, wanted, "returns/decline")


def cancel(
    state: State, outbox: Outbox, order: OrderRecord, wanted: ReturnRecord, *, by_buyer: bool = False
) -> None:
    """Give a return up; its units can come back in another one. Raises NotAllowed once something was settled."""
    if not (by_buyer and wanted.status == "REQUESTED"):
        _check(wanted, "canceled", "OPEN")
    if any(line.processed or line.dispositions for line in wanted.lines) or any(
        part.processed for part in wanted.exchange
    ):
        raise WrongState("Return cannot be canceled because some of it has been processed", "id")
    with state.transaction():
        wanted.status = "CANCELED"
        state.save_order(order)
        outbox.announce_return(order, wanted, "returns/cancel")


def close(state: State, outbox: Outbox, order: OrderRecord, wanted: ReturnRecord) -> None:
    """Nothing more comes of it. Raises NotAllowed in any state but open."""
    _check(wanted, "closed", "OPEN")
    with state.transaction():
        wanted.status, wanted.closed_at = "CLOSED", datetime.now(UTC)
        state.save_order(order)
        outbox.announce_return(order, wanted, "returns/close")


def change(state: State, outbox: Outbox, order: OrderRecord, wanted: ReturnRecord, act: Act) -> None:
    """What people do to a return. Raises NotAllowed."""
    if act == "approve":
        approve(state, outbox, order, wanted)
    elif act == "decline":
        decline(state, outbox, order, wanted, reason="OTHER", note="")
    elif act == "close":
        close(state, outbox, order, wanted)
    else:
        cancel(state, outbox, order, wanted, by_buyer=True)


def process(
    state: State,
    outbox: Outbox,
    order: OrderRecord,
    wanted: ReturnRecord,
    *,
    units: Sequence[Settled],
    wish: RefundWish,
    money: Sequence[payments.Part],
    exchange: Sequence[tuple[int, int]] = (),
) -> RefundRecord | None:
    """Settle units of a return: off the order, into stock where they are restocked, money back. Raises NotAllowed.

    ``wish`` says of delivery and note. What the buyer gets, units of it by id, comes onto the order.
    """
    _check(wanted, "processed", "OPEN")
    with state.transaction():
        exchanging.put_on_order(state, order, wanted, exchange)
        if exchange and not (units or money):
            exchanging.hold_what_is_unpaid(state, order, wanted)
            state.save_order(order)
            outbox.announce(order)
            return None
        settled = [part for each in units for part in _settle(state, wanted, each)]
        return refunding.refund(
            state,
            outbox,
            order,
            wish.model_copy(update={"lines": tuple(settled)}),
            money,
            return_id=wanted.id,
        )


def _settle(state: State, wanted: ReturnRecord, each: Settled) -> list[RefundUnits]:
    line = next((line for line in wanted.lines if line.id == each.return_line_id), None)
    if line is None:
        raise NotAllowed("Return line item does not exist", "input", "returnLineItems")
    if not 0 < each.quantity <= line.unprocessed:
        message = f"Quantity must be between 1 and {line.unprocessed}, the units that are not processed"
        raise NotAllowed(message, "input", "returnLineItems")
    disposed = sum(quantity for _, _, quantity, _ in each.dispositions)
    if disposed > each.quantity or any(reverse != line.reverse_line_id for reverse, *_ in each.dispositions):
        raise NotAllowed("Dispositions do not fit the return line item", "input", "returnLineItems")
    line.processed += each.quantity
    parts = []
    for _, kind, quantity, location in each.dispositions:
        if kind == "RESTOCKED" and location is None:
            raise NotAllowed("Location is required to restock", "input", "returnLineItems")
        line.dispositions.append(
            DispositionRecord(
                id=state.next_id("disposition"),
                kind=kind,
                quantity=quantity,
                location_id=location,
                created_at=datetime.now(UTC),
            )
        )
        restock = Restock.RETURN if kind == "RESTOCKED" else Restock.NO_RESTOCK
        parts.append(_units(line, quantity, restock, location))
    if rest := each.quantity - disposed:
        parts.append(_units(line, rest, Restock.NO_RESTOCK, None))
    return parts


def _units(line: ReturnLineRecord, quantity: int, restock: Restock, location: int | None) -> RefundUnits:
    return RefundUnits(line_id=line.line_id, quantity=quantity, restock=restock, location_id=location)


def _open(state: State, wanted: ReturnRecord) -> None:
    wanted.status, wanted.approved_at = "OPEN", datetime.now(UTC)
    wanted.reverse_order_id = state.next_id("reverse_order")


def _check(wanted: ReturnRecord, deed: str, *states: Status) -> None:
    if wanted.status not in states:
        raise WrongState(f"Return is {wanted.status.lower()} and cannot be {deed}", "id")


def _free(order: OrderRecord, fulfillment_line_id: int) -> int:
    """Units of a parcel's line that the buyer still has and that are in no return."""
    part = next(p for parcel in order.fulfillments for p in parcel.lines if p.id == fulfillment_line_id)
    line = order.line(part.line_id)
    of_part = of_line = 0
    for each in order.returns:
        for back in each.lines:
            held = back.unprocessed if each.held else 0
            of_line += held if back.line_id == line.id else 0
            of_part += held + back.processed if back.fulfillment_line_id == part.id else 0
    return max(0, min(part.quantity - of_part, line.current - order.open_units(line) - of_line))


def find(state: State, return_id: int) -> tuple[OrderRecord, ReturnRecord] | None:
    """A return and its order, by the return's id."""
    order = state.order_of("return", return_id)
    return (order, order.returned(return_id)) if order else None
