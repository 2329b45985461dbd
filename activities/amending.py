"""What an ERP's answer to an amendment means: which refused parts need a person, and in which words."""

from activities.contracts import AmendedOrder, AmendOrder
from activities.failures import Refusal
from activities.finding import find_in_erp
from adapters.ports import ErpPort
from adapters.requests import AmendOutcome
from domain.backorders import placed
from domain.balance import compare_orders
from domain.cases import EDIT_REFUSED
from domain.differences import not_accepted
from domain.edits_after_return import plan_after_return
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, RefusedChange, SalesOrder
from domain.exchanges import as_sold
from domain.mapping import Mapping
from domain.order import Order
from domain.planning import plan_exchange, plan_sales_order
from domain.quantities import is_partly_shipped, shipped_units, units_returned
from domain.status import OrderStatus

_OVER = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}


def target_of(request: AmendOrder, mapping: Mapping) -> SalesOrder:
    """What the ERP is to hold. Raises PlanRefused, Unmapped."""
    order = placed(request.order, request.places, mapping)
    target = plan_sales_order(order, mapping, request.acceptances)
    return target.model_copy(update={"complete_only": False}) if request.ship_what_is_there else target


async def amend_parts(erp: ErpPort, request: AmendOrder, mapping: Mapping) -> AmendOutcome:
    """Bring each of the ERP's records that an edit concerns to what the storefront holds now.

    All of them are planned before the first is changed. Raises PlanRefused, Unmapped and what ``amend_order`` does.
    """
    order, parts = request.order, request.parts
    if parts is None:
        return await erp.amend_order(target_of(request, mapping))
    targets = [plan_exchange(order, return_id, mapping) for return_id in parts.exchanges]
    whole = not units_returned(as_sold(order)) or not (parts.lines or parts.terms or parts.directions)
    if parts.sold and whole:
        targets.append(target_of(request, mapping))
    elif parts.sold:
        held = await find_in_erp(erp, order.key)
        targets.append(plan_after_return(order, held, parts, mapping, request.places))
    outcomes = [await erp.amend_order(target) for target in targets]
    held = outcomes[-1].order if outcomes else await find_in_erp(erp, order.key)
    return AmendOutcome(order=held, refused=tuple(part for each in outcomes for part in each.refused))


def status_changed(erp: ErpOrder) -> OrderStatus | None:
    """What the order's row is to say where goods came onto an order that had left; None: as it is."""
    return OrderStatus.PARTLY_SHIPPED if is_partly_shipped(erp) else None


def judge(request: AmendOrder, outcome: AmendOutcome, mapping: Mapping) -> AmendedOrder:
    """Whether a person has to negotiate with the warehouse.

    About what has left there is nothing to negotiate: the proof at the closing says what differs. Raises Unmapped.
    """
    order, erp = request.order, outcome.order
    held = _units(erp)
    refusal = None
    open_still = [change for change in outcome.refused if _negotiable(change, erp)]
    if open_still:
        differences = compare_orders(order, erp, mapping)
        accepted = not not_accepted(differences, request.acceptances)
        if not accepted or any(change.line_id is None for change in open_still):
            refusal = Refusal(
                cause=f"{EDIT_REFUSED}:{order.key}",
                reason=f"The ERP cannot take over all of the edit: {in_words(outcome.refused, order)}.",
                differences=differences,
                may_stay=True,
            )
    return AmendedOrder(
        erp=erp,
        kept={
            change.line_id: held.get(change.line_id, 0)
            for change in outcome.refused
            if change.line_id is not None
        },
        not_done=in_words(outcome.refused, order),
        refusal=refusal,
    )


def in_words(refused: tuple[RefusedChange, ...], order: Order) -> str:
    """Each part with its reason: ``TEE-BLK-M 2 -> 1 units (shipment P00004 from WH-EAST is picked)``."""
    names = {line.line_id: f"{line.sku or line.title} " for line in order.lines}
    return "; ".join(
        f"{names.get(change.line_id or '', '')}{change.change} ({change.reason})" for change in refused
    )


def _negotiable(change: RefusedChange, erp: ErpOrder) -> bool:
    """Whether the warehouse can still do it."""
    if erp.state is ErpOrderState.CANCELED:
        return False
    if change.line_id is None:
        return any(shipment.state not in _OVER for shipment in erp.shipments)
    return _units(erp).get(change.line_id, 0) > shipped_units(erp).get(change.line_id, 0)


def _units(erp: ErpOrder) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in erp.lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return units
