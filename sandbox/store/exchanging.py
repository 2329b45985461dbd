"""Exchanges: what a buyer gets for what comes back, noted with the return and put on the order when it is processed."""

from collections.abc import Iterable, Sequence

from domain.model import Frozen
from sandbox.store.outbox import Outbox
from sandbox.store.placing import additions
from sandbox.store.plans import add_plan
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.requests import DEFAULT_LOCATION, AskExchangeLine, PlaceLine, PlaceTax
from sandbox.store.return_records import ExchangeLineRecord, ReturnRecord
from sandbox.store.state import State
from sandbox.store.status import is_paid


class ExchangeUnits(Frozen):
    """Units of a variant."""

    variant_id: int
    quantity: int


def named(state: State, wanted: Iterable[AskExchangeLine]) -> list[ExchangeUnits]:
    """What people name by SKU. Raises NotAllowed for what is not for sale."""
    units = []
    for line in wanted:
        variant = state.variant("sku", line.sku)
        if variant is None:
            raise NotAllowed(f"nothing with the SKU {line.sku!r} is for sale", "instead")
        units.append(ExchangeUnits(variant_id=variant.id, quantity=line.quantity))
    return units


def noted(state: State, wanted: Iterable[ExchangeUnits]) -> list[ExchangeLineRecord]:
    """The lines of a return for these units. Raises NotAllowed for what is not for sale."""
    made = []
    for units in wanted:
        variant = state.variant("id", units.variant_id)
        if variant is None:
            raise NotAllowed("Variant does not exist", "exchangeLineItems")
        if units.quantity <= 0:
            raise NotAllowed("Quantity must be greater than 0", "exchangeLineItems")
        made.append(
            ExchangeLineRecord(
                id=state.next_id("exchange_line"),
                variant_id=variant.id,
                sku=variant.sku,
                quantity=units.quantity,
            )
        )
    return made


def put_on_order(
    state: State, order: OrderRecord, wanted: ReturnRecord, units: Sequence[tuple[int, int]]
) -> None:
    """Units, by the id of an exchange line, become lines of the order, to be shipped. Raises NotAllowed."""
    lines = []
    for part_id, quantity in units:
        part = next((part for part in wanted.exchange if part.id == part_id), None)
        if part is None:
            raise NotAllowed("Exchange line item does not exist", "input", "exchangeLineItems")
        if not 0 < quantity <= part.unprocessed:
            message = f"Quantity must be between 1 and {part.unprocessed}, the units that are not processed"
            raise NotAllowed(message, "input", "exchangeLineItems")
        taxes = tuple(PlaceTax(title=tax.title, rate=tax.rate) for tax in order.lines[0].taxes)
        added, _ = additions(state, order, [PlaceLine(sku=part.sku, quantity=quantity)], None, taxes)
        part.processed += quantity
        part.line_ids += [line.id for line in added]
        lines += added
    order.lines += lines
    add_plan(state, order, lines, _location(order))


def hold_what_is_unpaid(state: State, order: OrderRecord, wanted: ReturnRecord) -> None:
    """What an exchange brings does not leave before it is paid, or somebody releases it."""
    new = {line for part in wanted.exchange for line in part.line_ids}
    for plan in order.fulfillment_orders:
        if plan.status == "OPEN" and not is_paid(order) and any(part.line_id in new for part in plan.lines):
            plan.status, plan.hold_id = "ON_HOLD", state.next_id("fulfillment_hold")


def release_hold(state: State, outbox: Outbox, plan_id: int) -> OrderRecord | None:
    """Let leave what is on hold; the order, or None where there is no such fulfillment order."""
    order = state.order_of("fulfillment_order", plan_id)
    if order is None:
        return None
    plan = order.fulfillment_order(plan_id)
    if plan.status == "ON_HOLD":
        with state.transaction():
            plan.status, plan.hold_id = "OPEN", None
            state.save_order(order)
            outbox.announce(order)
    return order


def _location(order: OrderRecord) -> int:
    """Where the order was planned first."""
    return order.fulfillment_orders[0].location_id if order.fulfillment_orders else DEFAULT_LOCATION
