"""What buyers, operators and the warehouse do to the orders of a run on the wire, so that each reaches its calls."""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from temporalio.client import Client, WorkflowUpdateStage

from domain.order import OrderKey
from sandbox.store.client import AsyncStoreControl
from sandbox.store.control import OrderReading, ReturnReading
from sandbox.store.requests import AskExchangeLine, AskReturn, AskReturnLine, PlaceLine, PlaceOrder
from tests.chaos.calls import EXCHANGING, RETURNING, WITHDRAWN, Call
from tests.chaos.lives import LOOK_SECONDS, Board, Life, Lives
from workflows.messages import OperatorMessage, OrderView, ReturnAsked, StorefrontChanged
from workflows.return_messages import return_workflow_id

CHANNEL = "shop"
SHIPMENTS = 2
"""Of each order, before anything is exchanged."""
LIVE = {"REQUESTED", "OPEN"}
"""Returns in these states may still come to something."""
COMES_BACK, INSTEAD = "TEE-BLK-S", "PIN-SET"
"""What a buyer sends back, and what they may get for it; that is cheaper."""
TWO_PARCELS = PlaceOrder.model_validate(
    {
        "lines": [
            {
                "sku": COMES_BACK,
                "quantity": 3,
                "split": [{"location": 101, "quantity": 1}, {"location": 102, "quantity": 2}],
            },
            {"sku": "MUG-LOGO", "quantity": 2, "discount": {"title": "Scratched", "amount": "1.10"}},
        ],
        "taxes": ["STATE-6.25", "CITY-1.5"],
        "shipping": {"code": "standard", "price": "9.90"},
    }
)
SHORT = "CAP-BLK"
"""What the memory ERP's warehouse has none of."""
WITH_A_REST = TWO_PARCELS.model_copy(update={"lines": (*TWO_PARCELS.lines, PlaceLine(sku=SHORT, quantity=2))})
AT_COUNTER = TWO_PARCELS.model_copy(update={"handed_over": True})


class Back(StrEnum):
    """What comes of a return."""

    SENT = "the buyer sends the goods"
    WITHDRAWN = "nothing comes"
    EXCHANGED = "the buyer sends the goods, and gets others"


class ErpPeople(Protocol):
    """The ERP's warehouse and what its books say."""

    async def waiting(self, key: OrderKey) -> int:
        """Shipments of an order that have not left."""
        ...

    async def take_in(self, key: OrderKey, return_id: str) -> None:
        """What is expected of a return comes in, where it is expected."""
        ...

    async def ship(self, keys: list[OrderKey]) -> None:
        """One shipment of each of these orders leaves, where one waits."""
        ...

    async def assert_booked(self, life: Life, told: OrderReading, back: Back | None) -> None:
        """One order, the store's cents, all shipments that left; or one that is canceled. One of what came back."""
        ...


def back_of(calls: Iterable[Call]) -> Back | None:
    """What has to come back of an order that is to reach these calls."""
    operations = {call.operation for call in calls}
    if operations & EXCHANGING:
        return Back.EXCHANGED
    if operations & WITHDRAWN:
        return Back.WITHDRAWN
    return Back.SENT if operations & RETURNING else None


class Acts:
    """Acts on the orders of a run; ``work_in_the_warehouse`` has to go on meanwhile."""

    def __init__(
        self, client: Client, lives: Lives, board: Board, control: AsyncStoreControl, people: ErpPeople
    ) -> None:
        self._client, self._lives, self._board = client, lives, board
        self._control, self._people = control, people
        self._to_ship: set[OrderKey] = set()
        self._edited: dict[OrderKey, OrderReading] = {}
        """Orders that are shipped once the ERP has this total."""
        self._coming_back: dict[OrderKey, Back] = {}

    async def place(self, calls: Iterable[Call]) -> OrderKey:
        """A buyer orders what it takes to reach these calls."""
        wanted = {"cancel_units": WITH_A_REST, "deliver_order": AT_COUNTER}
        order = next((wanted[x.operation] for x in calls if x.operation in wanted), TWO_PARCELS)
        placed = await self._control.place_order(order)
        return OrderKey(channel=CHANNEL, external_id=str(placed.id))

    async def live(self, key: OrderKey, calls: Iterable[Call]) -> Life:
        """See an order through to its end, past these calls."""
        operations = {call.operation for call in calls}
        # The ERP is asked for an order before a cancel too, and that life is the shorter one.
        cancel = bool(operations & {"cancel_order", "find_order"})
        edits = {"amend_order": self._edit, "cancel_units": self._cancel_rest}
        edit = next((edits[name] for name in operations if name in edits), None)
        back, later = back_of(calls), None
        if back is not None:
            by_hand = "open_exchange" in operations
            later = {
                Back.SENT: self._send_back,
                Back.WITHDRAWN: self._want_to_send_back,
                Back.EXCHANGED: self._exchange_by_hand if by_hand else self._exchange,
            }[back]
            self._coming_back[key] = back
        elif not cancel and not operations & {"amend_order", "deliver_order"}:
            self._to_ship.add(key)
        try:
            return await self._lives.live(key, cancel=cancel, edit=edit, later=later)
        finally:
            self._to_ship.discard(key)
            self._coming_back.pop(key, None)

    # -- the warehouse ---------------------------------------------------------------------------------------------

    async def work_in_the_warehouse(self) -> None:
        """Ship and take in, over and over."""
        while True:
            for key, told in list(self._edited.items()):
                row = self._board.row(key)
                if row is not None and row.erp_total == told.total:
                    self._to_ship.add(key)
                    del self._edited[key]
            await self._people.ship(sorted(self._to_ship, key=str))
            for key, back in list(self._coming_back.items()):
                await self._take_back(key, back)
            await asyncio.sleep(0.7)

    async def _take_back(self, key: OrderKey, back: Back) -> None:
        """The last parcel waits until the return of the first is over, so that the order stays open for it."""
        told = await self._control.read_order(key.external_id)
        over = bool(told.returns) and all(each.status not in LIVE for each in told.returns)
        for each in told.returns:
            if each.status == "OPEN" and back is not Back.WITHDRAWN:
                await self._people.take_in(key, str(each.id))
        waiting = await self._people.waiting(key)
        if waiting == SHIPMENTS or (waiting and over):
            await self._people.ship([key])

    # -- buyers and operators --------------------------------------------------------------------------------------

    async def _edit(self, key: OrderKey) -> None:
        """A unit less."""
        self._edited[key] = await self._control.edit_line(key.external_id, 2, 1)
        await self._lives.tell(key, "orders/edited")

    async def _cancel_rest(self, key: OrderKey) -> None:
        await self._client.get_workflow_handle(key.workflow_id).signal("cancel_rest")

    async def _send_back(self, key: OrderKey) -> None:
        """A unit of the first parcel comes back."""
        await self._first_parcel(key)
        await self._control.ask_return(key.external_id, AskReturn(lines=(AskReturnLine(line=1),)))

    async def _exchange(self, key: OrderKey) -> None:
        """The same, and the shop's staff has said yes to something else for it."""
        await self._first_parcel(key)
        instead = (AskExchangeLine(sku=INSTEAD),)
        wish = AskReturn(lines=(AskReturnLine(line=1),), agreed=True, instead=instead)
        await self._control.ask_return(key.external_id, wish)

    async def _exchange_by_hand(self, key: OrderKey) -> None:
        """The same, for an operator."""
        await self._first_parcel(key)
        handle = self._client.get_workflow_handle(key.workflow_id)
        # The storefront shows a parcel a moment before the order knows that it was told.
        while not any(x.shipped for x in (await handle.query("status", result_type=OrderView)).lines):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        asked = ReturnAsked(
            actor="Ada", reason="the buyer called", lines={COMES_BACK: 1}, exchange={INSTEAD: 1}
        )
        await handle.signal("return", asked)

    async def _want_to_send_back(self, key: OrderKey) -> None:
        """The buyer asks for a return, and an operator hears that nothing will come."""
        await self._send_back(key)
        handle = self._client.get_workflow_handle(key.workflow_id)
        # The same as is told again afterwards: nobody reads the order twice, beside the call that goes wrong.
        hint = StorefrontChanged(message_id=f"{key.external_id}-returns/request", topic="returns/request")
        await handle.signal("storefront_changed", hint)
        while (asked := await self._asked_for(key)).status != "OPEN":  # noqa: ASYNC110  a worker agrees
            await asyncio.sleep(LOOK_SECONDS)
        carrier = self._client.get_workflow_handle(return_workflow_id(key, str(asked.id)))
        message = OperatorMessage(reason="keeps it")
        await carrier.start_update("end", message, wait_for_stage=WorkflowUpdateStage.ACCEPTED)

    async def _first_parcel(self, key: OrderKey) -> None:
        while not (await self._control.read_order(key.external_id)).fulfillments:  # noqa: ASYNC110  a worker tells of it
            await asyncio.sleep(LOOK_SECONDS)

    async def _asked_for(self, key: OrderKey) -> ReturnReading:
        (asked,) = (await self._control.read_order(key.external_id)).returns
        return asked
