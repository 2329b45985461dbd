"""Does what a scenario says, one act after the other: at the store, in the warehouse, by operators, to the systems."""

import asyncio
import time
from typing import Final

from sandbox.scenarios import operators
from sandbox.scenarios import vocabulary as words
from sandbox.scenarios.ground import Ground, spoil
from sandbox.scenarios.onlooker import LOOK_SECONDS, Onlooker
from sandbox.scenarios.shelf import until_shown, watch_shown

AT_THE_DOOR_SECONDS: Final = 0.05


class Acts:
    """Everybody on one ground; ``patience``: seconds that one wait may take."""

    def __init__(self, ground: Ground, onlooker: Onlooker, patience: float) -> None:
        self._ground, self._onlooker, self._patience = ground, onlooker, patience

    async def do(self, act: words.Act, external_id: str) -> None:
        """Do one act. Raises Late where what it waits for does not happen, and whatever refuses it."""
        match act:
            case (
                words.Edited()
                | words.CanceledAtStore()
                | words.Paid()
                | words.Assessed()
                | words.ToldAgain()
                | words.ReturnWanted()
                | words.ReturnWithdrawn()
            ):
                await self._at_the_store(act, external_id)
            case (
                words.Shipped()
                | words.PieceShipped()
                | words.Picked()
                | words.PutBack()
                | words.GivenUp()
                | words.SentAfterAll()
                | words.SentPicked()
                | words.TakenBack()
                | words.Counted()
            ):
                await self._at_the_warehouse(act, external_id)
            case words.Operated():
                await operators.ask(self._ground.client, act, external_id)
            case words.OperatorReturns():
                await operators.begin_return(self._ground.client, act, external_id)
            case words.OperatorInspects():
                await operators.inspect(self._ground, act, external_id, self._patience)
            case words.Waited():
                await self._onlooker.wait(act, external_id)
            case words.StoreShows():
                await until_shown(self._ground.store, act, self._patience)
            case words.StoreHides():
                await watch_shown(self._ground.store, act)
            case words.TimePassed():
                await self._ground.pass_time(external_id, act.days)
            case _:
                await self._trouble(act)

    async def _at_the_store(
        self,
        act: words.Edited
        | words.CanceledAtStore
        | words.Paid
        | words.Assessed
        | words.ToldAgain
        | words.ReturnWanted
        | words.ReturnWithdrawn,
        external_id: str,
    ) -> None:
        store = self._ground.store
        match act:
            case words.Edited():
                await store.edit_order(external_id, act.change)
            case words.CanceledAtStore():
                await store.cancel_order(external_id, act.cancel)
            case words.Paid():
                await store.pay_order(external_id, act.payment)
            case words.Assessed():
                await store.assess_order(external_id, act.assessment)
            case words.ToldAgain():
                await store.deliver_again([external_id], as_new=act.as_new)
            case words.ReturnWanted():
                await store.ask_return(external_id, act.wish)
            case words.ReturnWithdrawn():
                last = (await store.read_order(external_id)).returns[-1]
                await store.change_return(external_id, last.id, "withdraw")

    async def _at_the_warehouse(
        self,
        act: words.Shipped
        | words.PieceShipped
        | words.Picked
        | words.PutBack
        | words.GivenUp
        | words.SentAfterAll
        | words.SentPicked
        | words.TakenBack
        | words.Counted,
        external_id: str,
    ) -> None:
        people = self._ground.people
        match act:
            case words.Shipped():
                if not await people.ship_one(external_id, part=act.part, warehouse=act.warehouse):
                    raise LookupError("nothing could be shipped")
            case words.PieceShipped():
                await people.ship_piece(external_id, act.product, act.pieces)
            case words.SentPicked():
                await people.send_picked(external_id)
            case words.TakenBack() if act.warehouse is not None:
                await people.enter_return(external_id, act.units, act.warehouse)
            case words.TakenBack():
                await self._take_back(act, external_id)
            case words.Counted():
                await people.take_stock(act.sku, act.warehouse, act.units, external_id)
            case _:
                await self._on_the_shelves(act, external_id)

    async def _on_the_shelves(
        self, act: words.Picked | words.PutBack | words.GivenUp | words.SentAfterAll, external_id: str
    ) -> None:
        people = self._ground.people
        match act:
            case words.Picked():
                await people.pick(external_id)
            case words.PutBack():
                await people.put_back(external_id)
            case words.GivenUp():
                await people.give_up(external_id, act.units, handled=act.handled)
            case words.SentAfterAll():
                await people.send_after_all(external_id)

    async def _take_back(self, act: words.TakenBack, external_id: str) -> None:
        """Goods may be at the door a moment before the warehouse knows that they are to come."""
        deadline, pause = time.monotonic() + self._patience, AT_THE_DOOR_SECONDS
        while True:
            try:
                await self._ground.people.receive_return(external_id, act.units or None)
            except LookupError:
                if time.monotonic() > deadline:
                    raise
                # Often at first: where time is skipped, goods that are waited for are given up within a second.
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, LOOK_SECONDS)
            else:
                return

    async def _trouble(
        self,
        act: words.ProductHidden | words.ProductShown | words.WentDown | words.CameBack | words.WentWrong,
    ) -> None:
        ground = self._ground
        match act:
            case words.ProductHidden():
                await ground.people.hide_product(act.sku)
            case words.ProductShown():
                await ground.people.show_product(act.sku)
            case words.WentDown():
                await ground.take_down(act.system)
            case words.CameBack():
                await ground.bring_back(act.system)
            case words.WentWrong():
                await spoil(ground, act)
