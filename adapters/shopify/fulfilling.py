"""Telling a shop that a parcel left: looked up first, moved to the location that ships it, then fulfilled.

A warehouse may ship what the shop had planned for another location. The shop fulfills only what is open at the
fulfillment's own location, so what is missing there is moved first. None of this takes an idempotency key: each attempt
reads what left and what is open where, and does what is still to be done.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.errors import OutcomeUnknown, Rejected
from adapters.requests import FulfillmentRequest
from adapters.shopify.answer import SYSTEM, Identified, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.fulfillment_answers import FulfillmentOrder, FulfillmentOrderStatus
from adapters.shopify.global_ids import gid
from adapters.shopify.reading import OrderReader
from adapters.shopify.translate import location_of, to_fulfillments
from adapters.spans import looked_up
from domain.order import Fulfillment, FulfillmentLine

OPERATION: Final = "create fulfillment"

_MOVE: Final = "move fulfillment order"
_OPEN: Final = "open fulfillment order"
_RELEASE: Final = "release hold"
_OF_EXCHANGES: Final = frozenset({"AWAITING_PAYMENT", "AWAITING_RETURN_ITEMS"})
"""Why the shop itself holds back what an exchange brings. Whether it may leave was decided before it left."""
_MAY_SHIP: Final = frozenset(
    {FulfillmentOrderStatus.OPEN, FulfillmentOrderStatus.IN_PROGRESS, FulfillmentOrderStatus.INCOMPLETE}
)

Taken = Mapping[str, Mapping[str, int]]
"""Units by fulfillment order and by its line."""


class Fulfilling:
    """Finds or makes fulfillments of one shop; ``notify_customers``: it tells buyers by e-mail."""

    def __init__(self, api: AdminApi, reader: OrderReader, *, notify_customers: bool) -> None:
        self._api = api
        self._reader = reader
        self._notify_customers = notify_customers

    async def fulfill(self, request: FulfillmentRequest) -> Fulfillment:
        """Find or create the fulfillment of a shipment.

        Raises Rejected with cause ``not_open_to_ship`` where units are open nowhere, ``move_refused`` where the shop
        does not let them leave from the shipment's location.
        """
        order_id = request.key.external_id
        state = await self._reader.shipping(order_id)
        wanted = _units(request.lines)
        for known in to_fulfillments(state.fulfillments):
            if known.fulfillment_id not in request.known_fulfillment_ids and _same_shipment(
                known, request, wanted
            ):
                looked_up(SYSTEM, "fulfillment", found=True)
                return known
        looked_up(SYSTEM, "fulfillment", found=False)
        if not wanted:
            raise Rejected(SYSTEM, OPERATION, "the shipment holds no units", "not_open_to_ship")
        plans = state.fulfillment_orders.nodes
        if await self._release(plans, wanted):
            plans = (await self._reader.shipping(order_id)).fulfillment_orders.nodes
        taken, missing = _take_open(wanted, _at(request.location, plans))
        if missing and (ahead := _scheduled(missing, plans)):
            plans = await self._open(order_id, ahead)
            taken, missing = _take_open(wanted, _at(request.location, plans))
        if missing:
            taken = await self._move_missing(request, wanted, missing, plans)
        return await self._create(request, wanted, taken)

    async def _open(self, order_id: str, plans: Sequence[str]) -> tuple[FulfillmentOrder, ...]:
        """Open what the shop has scheduled for later: its goods have left already. Returns all, as they stand then.

        One that was opened meanwhile is refused; what matters is how they stand.
        """
        for plan_id in plans:
            try:
                await self._api.write(
                    _OPEN, "open_fulfillment_order", {"id": gid("FulfillmentOrder", plan_id)}
                )
            except Rejected as error:
                if not error.cause.startswith("shop_refused"):
                    raise
        return (await self._reader.shipping(order_id)).fulfillment_orders.nodes

    async def _release(self, plans: Iterable[FulfillmentOrder], wanted: Counter[str]) -> bool:
        """End the shop's own waiting for money or goods, where units of an exchange have left all the same."""
        waiting = [
            plan
            for plan in plans
            if plan.status is FulfillmentOrderStatus.ON_HOLD
            and plan.fulfillment_holds
            and {hold.reason for hold in plan.fulfillment_holds} <= _OF_EXCHANGES
            and any(wanted[line.line_item.id] and line.remaining_quantity for line in plan.line_items.nodes)
        ]
        for plan in waiting:
            await self._api.write(_RELEASE, "release_hold", {"id": gid("FulfillmentOrder", plan.id)})
        return bool(waiting)

    async def _move_missing(
        self,
        request: FulfillmentRequest,
        wanted: Counter[str],
        missing: Counter[str],
        plans: Sequence[FulfillmentOrder],
    ) -> Taken:
        """Move what is missing to the shipment's location; returns all its units, now open there."""
        elsewhere = [plan for plan in plans if location_of(plan) != request.location]
        to_move, nowhere = _take_open(missing, elsewhere)
        if nowhere:
            raise _not_open(request.location, wanted, nowhere, plans)
        refusal: Rejected | None = None
        try:
            for plan_id, lines in to_move.items():
                await self._move(plan_id, lines, request.location)
        except Rejected as error:
            # an earlier attempt may have got through in the meantime
            refusal = error
        state = await self._reader.shipping(request.key.external_id)
        plans = state.fulfillment_orders.nodes
        taken, missing = _take_open(wanted, _at(request.location, plans))
        if not missing:
            return taken
        if refusal is None:
            raise _not_open(request.location, wanted, missing, plans)
        if not refusal.cause.startswith("shop_refused"):
            raise refusal
        units = ", ".join(f"{quantity} units of line {line_id}" for line_id, quantity in missing.items())
        reason = (
            f"{units} left from location {request.location}, for which the shop had not planned them, and it does not"
            f" let them move there: {refusal.reason}"
        )
        raise Rejected(SYSTEM, _MOVE, reason, "move_refused") from refusal

    async def _move(self, plan_id: str, lines: Mapping[str, int], location: str) -> None:
        payload = await self._api.write(
            _MOVE,
            "move_fulfillment_order",
            {
                "id": gid("FulfillmentOrder", plan_id),
                "newLocationId": gid("Location", location),
                "lines": _line_inputs(lines),
            },
        )
        if payload.get("movedFulfillmentOrder") is None:
            raise OutcomeUnknown(
                SYSTEM, _MOVE, "the shop names neither what it moved nor a reason against it"
            )

    async def _create(self, request: FulfillmentRequest, wanted: Counter[str], taken: Taken) -> Fulfillment:
        payload = await self._api.write(
            OPERATION,
            "create_fulfillment",
            {
                "fulfillment": {
                    "lineItemsByFulfillmentOrder": [
                        {
                            "fulfillmentOrderId": gid("FulfillmentOrder", plan_id),
                            "fulfillmentOrderLineItems": _line_inputs(lines),
                        }
                        for plan_id, lines in taken.items()
                    ],
                    "notifyCustomer": self._notify_customers,
                    "trackingInfo": {
                        **_numbers(request),
                        **({"company": request.carrier} if request.carrier else {}),
                    },
                }
            },
        )
        if payload.get("fulfillment") is None:
            raise OutcomeUnknown(
                SYSTEM, OPERATION, "the shop names neither a fulfillment nor a reason against it"
            )
        created = fit(Identified, payload["fulfillment"], OPERATION, "fulfillmentCreate.fulfillment")
        return Fulfillment(
            fulfillment_id=created.id,
            location=request.location,
            lines=tuple(
                FulfillmentLine(line_id=line_id, quantity=units) for line_id, units in wanted.items()
            ),
            carrier=request.carrier,
            tracking_number=request.tracking_number,
            more_tracking=request.more_tracking,
        )


def _numbers(request: FulfillmentRequest) -> dict[str, Any]:
    """The parcel's own number comes first: by that the fulfillment is found again."""
    if not request.more_tracking:
        return {"number": request.tracking_number}
    return {"numbers": [request.tracking_number, *request.more_tracking]}


def _units(lines: Iterable[FulfillmentLine]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.line_id] += line.quantity
    return +units


def _same_shipment(known: Fulfillment, request: FulfillmentRequest, wanted: Counter[str]) -> bool:
    return (
        known.location == request.location
        and known.tracking_number == request.tracking_number
        and _units(known.lines) == wanted
    )


def _at(location: str, plans: Iterable[FulfillmentOrder]) -> list[FulfillmentOrder]:
    return [plan for plan in plans if location_of(plan) == location]


def _take_open(wanted: Counter[str], plans: Iterable[FulfillmentOrder]) -> tuple[Taken, Counter[str]]:
    """Which units to take from which fulfillment order, in the order Shopify lists them; and what is missing."""
    left = Counter(wanted)
    taken: dict[str, dict[str, int]] = defaultdict(dict)
    for plan in plans:
        if plan.status not in _MAY_SHIP:
            continue
        for line in plan.line_items.nodes:
            if units := min(left[line.line_item.id], line.remaining_quantity):
                left[line.line_item.id] -= units
                taken[plan.id][line.id] = units
    return taken, +left


def _scheduled(missing: Counter[str], plans: Iterable[FulfillmentOrder]) -> list[str]:
    """Fulfillment orders that hold what is missing and open later only."""
    return [
        plan.id
        for plan in plans
        if plan.status is FulfillmentOrderStatus.SCHEDULED
        and any(missing[line.line_item.id] and line.remaining_quantity for line in plan.line_items.nodes)
    ]


def _line_inputs(lines: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"id": gid("FulfillmentOrderLineItem", line_id), "quantity": units}
        for line_id, units in lines.items()
    ]


def _not_open(
    location: str,
    wanted: Counter[str],
    missing: Counter[str],
    plans: Iterable[FulfillmentOrder],
) -> Rejected:
    """Names the lines and what stands in the way."""
    barred = {
        line.line_item.id: plan.status.lower().replace("_", " ")
        for plan in plans
        for line in plan.line_items.nodes
        if line.remaining_quantity and plan.status not in _MAY_SHIP
    }
    sentences = [
        f"{units} of {wanted[line_id]} units of line {line_id} are not open to ship at location {location}"
        " or any other" + (f" (its fulfillment order is {barred[line_id]})" if line_id in barred else "")
        for line_id, units in missing.items()
    ]
    return Rejected(SYSTEM, OPERATION, "; ".join(sentences), "not_open_to_ship")
