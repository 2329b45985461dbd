"""Plays scenarios on a ground: side by side, but for those that would feel each other.

The application is only asked how far an order has come, because waiting needs no proof; what came of it is read from
both systems without the application (``proof``).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import uuid4

from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from domain.order import OrderKey
from domain.status import OrderStatus
from sandbox.house import OVER, workflow_id
from sandbox.scenarios import vocabulary as words
from sandbox.scenarios.ground import Ground, spoil
from sandbox.scenarios.proof import Row, prove
from sandbox.scenarios.shelf import Late, until_shown, watch_shown
from sandbox.stack import CHANNEL, Say
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from workflows.messages import OperatorAnswer, OperatorMessage, ReturnAsked, TimelineEntry
from workflows.return_messages import Inspection, ReturnView, return_workflow_id

LOOK_SECONDS: Final = 0.3
ROUND_SECONDS: Final = 0.6
"""Between two rounds of a crew through the warehouse."""
AT_THE_DOOR_SECONDS: Final = 0.05
ASK_SECONDS: Final = 15.0
"""An operator's message may come a moment before the order is ready for it; so long it is sent again."""
CREWS: Final = 2
MANY: Final = 1_000_000
PLENTY: Final = 500
"""Units on a shelf that nobody has to count."""

_COMES_TO: dict[str, Callable[[OrderSummary], bool]] = {
    "read": lambda _row: True,
    "in the ERP": lambda row: row.erp_number is not None,
    "stopped": lambda row: bool(row.problem),
    "partly shipped": lambda row: row.status in {OrderStatus.PARTLY_SHIPPED, OrderStatus.SHIPPED, *OVER},
    "closed": lambda row: row.status is OrderStatus.CLOSED,
    "shipped": lambda row: row.status in {OrderStatus.SHIPPED, *OVER},
}  # fmt: skip


class Player:
    """Plays on one ground. Close it.

    ``patience``: seconds that one wait may take; ``at_once``: so many scenarios live at the same time.
    """

    def __init__(
        self, ground: Ground, *, patience: float, at_once: int = 32, say: Say = lambda _text: None
    ) -> None:
        self._ground = ground
        self._patience = patience
        self._at_once = at_once
        self._say = say
        self._database = Database(ground.database_url)
        self._placing = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._rows: dict[str, OrderSummary] = {}
        self._looked_at = 0.0
        self._may_leave: set[str] = set()
        """Orders of which the warehouse may send whatever waits."""
        self._done = 0
        self._failed: dict[str, str] = {}
        """What went wrong on the way, by the scenario's name."""

    def close(self) -> None:
        """Give connections back."""
        self._database.close()

    async def play(self, scenarios: Sequence[words.Scenario]) -> list[Row]:
        """Play them all and read both systems back; rows come in the order given."""
        # Webhooks come twice and out of order for everybody, as they do in the wild.
        await self._ground.store.turn_webhooks(duplicate=True, shuffle_seed=20)
        crews = [asyncio.create_task(self._crew(number)) for number in range(CREWS)]
        try:
            ids = await self._live(scenarios)
        finally:
            for crew in crews:
                crew.cancel()
            await asyncio.gather(*crews, return_exceptions=True)
        self._say("both systems are read back, independently of the application ...")
        stories = {
            each.name: await self._whole_story(ids[each.name]) for each in scenarios if each.holds.story
        }
        return await prove(self._ground, scenarios, ids, self._failed, stories)

    async def _live(self, scenarios: Sequence[words.Scenario]) -> dict[str, str]:
        """Let them all come to their ends; returns the orders' ids by scenario name."""
        beside = sorted((each for each in scenarios if not each.alone), key=_turn)
        alone = [each for each in scenarios if each.alone]
        ids: dict[str, str] = {}
        self._say(
            f"{len(beside)} scenarios begin, {self._at_once} at once; {len(alone)} with trouble come afterwards ..."
        )
        await self._side_by_side(beside, ids)
        for each in alone:
            await self._live_through(each, ids)
        return ids

    async def _side_by_side(self, waiting: list[words.Scenario], ids: dict[str, str]) -> None:
        """Each begins once there is room, and nobody lives whom it would disturb."""
        under_way: dict[asyncio.Task[None], words.Scenario] = {}
        try:
            while waiting or under_way:
                for each in list(waiting):
                    living = under_way.values()
                    if len(living) < self._at_once and not any(map(each.disturbs, living)):
                        waiting.remove(each)
                        under_way[asyncio.create_task(self._live_through(each, ids))] = each
                over, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in over:
                    del under_way[task]
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _live_through(self, scenario: words.Scenario, ids: dict[str, str]) -> None:
        """One scenario from the order that is placed to its end; puts the order's id into ``ids``."""
        began = time.monotonic()
        await self._begin(scenario, ids)
        external_id = ids[scenario.name]
        if scenario.name not in self._failed:
            try:
                for act in scenario.happens[len(scenario.at_first) :]:
                    await self._do(act, external_id)
                await self._to_the_end(scenario, external_id)
                if scenario.holds.ends is words.End.CLOSED:
                    await self._ground.people.settle([external_id])
            except Exception as error:  # noqa: BLE001  one scenario that fails must not hide the others
                self._failed[scenario.name] = _in_words(error)
        if scenario.name in self._failed:
            await self._mend(scenario)
        for act in scenario.happens:
            if isinstance(act, words.Counted):
                await self._ground.people.take_stock(act.sku, act.warehouse, PLENTY, external_id)
        self._done += 1
        failure = self._failed.get(scenario.name)
        seconds = round(time.monotonic() - began)
        self._say(f"  {self._done}: {scenario.name}, {seconds} s{f': {failure}' if failure else ''}")

    async def _begin(self, scenario: words.Scenario, ids: dict[str, str]) -> None:
        """Place the order, and let happen what happens before its first webhook."""
        store = self._ground.store
        async with self._placing:
            await store.turn_webhooks(paused=True)
            external_id = ids[scenario.name] = str((await store.place_order(scenario.order)).id)
            try:
                for act in scenario.at_first:
                    await self._do(act, external_id)
            except Exception as error:  # noqa: BLE001  as above
                self._failed[scenario.name] = _in_words(error)
            await store.turn_webhooks(paused=False)

    async def _mend(self, scenario: words.Scenario) -> None:
        """Nobody after this scenario is to live with its trouble."""
        for act in scenario.happens:
            if isinstance(act, words.WentDown):
                await self._ground.bring_back(act.system)
            elif isinstance(act, words.ProductHidden):
                await self._ground.people.show_product(act.sku)

    async def _to_the_end(self, scenario: words.Scenario, external_id: str) -> None:
        ends = OrderStatus(scenario.holds.ends)
        if scenario.holds.ends is words.End.CLOSED:
            self._may_leave.add(external_id)
        try:
            row = await self._until(external_id, lambda row: row.status in OVER, f"not {ends}")
        finally:
            self._may_leave.discard(external_id)
        if row.status is not ends:
            raise Late(f"ended {row.status}, and was to end {ends}")

    async def _crew(self, number: int) -> None:
        """A crew of the warehouse goes round and sends what may leave; each has its own orders."""
        while True:
            own = {each for each in self._may_leave if int(each) % CREWS == number}
            try:
                if own:
                    await self._ground.people.ship(own)
            except Exception as error:  # noqa: BLE001  the orders that wait in vain will say so
                self._say(f"  the warehouse could not ship: {_in_words(error)}")
            await asyncio.sleep(ROUND_SECONDS)

    async def _do(self, act: words.Act, external_id: str) -> None:
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
                | words.SentPicked()
                | words.TakenBack()
                | words.Counted()
            ):
                await self._at_the_warehouse(act, external_id)
            case words.Operated():
                await self._ask(act, external_id)
            case words.OperatorReturns():
                await self._return(act, external_id)
            case words.OperatorInspects():
                await self._inspect(act, external_id)
            case words.Waited():
                await self._wait(act, external_id)
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

    async def _at_the_warehouse(
        self,
        act: words.Shipped
        | words.PieceShipped
        | words.Picked
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
            case words.Picked():
                await people.pick(external_id)
            case words.SentPicked():
                await people.send_picked(external_id)
            case words.TakenBack() if act.warehouse is not None:
                await people.enter_return(external_id, act.units, act.warehouse)
            case words.TakenBack():
                await self._take_back(act, external_id)
            case words.Counted():
                await people.take_stock(act.sku, act.warehouse, act.units, external_id)

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

    async def _ask(self, act: words.Operated, external_id: str) -> None:
        """Send an operator's message; one that comes a moment too early is sent again."""
        handle = self._ground.client.get_workflow_handle(workflow_id(external_id))
        deadline = time.monotonic() + ASK_SECONDS
        while True:
            message = OperatorMessage(
                message_id=uuid4().hex, actor=act.actor, reason=act.reason, kind=act.kind
            )
            if act.by_signal:
                for _ in range(act.clicks):
                    await handle.signal(act.to, message)
                return
            try:
                answers = [
                    await handle.execute_update(act.to, message, result_type=OperatorAnswer)
                    for _ in range(act.clicks)
                ]
            except WorkflowUpdateFailedError as error:
                done, text = False, str(error.cause or error)
            else:
                done, text = answers[-1].done, answers[-1].text
            if done is not act.refused:
                return
            if time.monotonic() > deadline:
                expected = "was not refused" if act.refused else "was refused"
                raise Late(f"{act.to} {expected}: {text}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _return(self, act: words.OperatorReturns, external_id: str) -> None:
        """An operator begins a return; a moment too early it is asked for again."""
        handle = self._ground.client.get_workflow_handle(workflow_id(external_id))
        asked = ReturnAsked(
            message_id=uuid4().hex,
            actor=act.actor,
            reason=act.reason,
            lines=act.units,
            without_goods=act.without_goods,
            exchange=act.exchange,
        )
        deadline = time.monotonic() + ASK_SECONDS
        while True:
            try:
                await handle.execute_update("return", asked, result_type=OperatorAnswer)
            except WorkflowUpdateFailedError as error:
                if time.monotonic() > deadline:
                    raise Late(f"return was refused: {error.cause or error}") from None
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def _inspect(self, act: words.OperatorInspects, external_id: str) -> None:
        """An operator inspects what the warehouse has; a moment too early they try again."""
        last = (await self._ground.store.read_order(external_id)).returns[-1]
        key = OrderKey(channel=CHANNEL, external_id=external_id)
        handle = self._ground.client.get_workflow_handle(return_workflow_id(key, str(last.id)))
        deadline = time.monotonic() + self._patience
        while True:
            try:
                view = await handle.query("status", result_type=ReturnView)
                lines = {line.line_id: act.verdicts[line.name] for line in view.lines if line.received}
                inspection = Inspection(
                    message_id=uuid4().hex, actor=act.actor, reason=act.reason, lines=lines
                )
                await handle.execute_update("inspect", inspection, result_type=OperatorAnswer)
            except (WorkflowUpdateFailedError, RPCError) as error:
                if time.monotonic() > deadline:
                    raise Late(f"the inspection was refused: {error.__cause__ or error}") from None
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def _wait(self, act: words.Waited, external_id: str) -> None:
        if act.until != "told":
            await self._until(external_id, _COMES_TO[act.until], f"not {act.until}")
            return
        await self._until(external_id, lambda _row: True, "unknown")
        deadline = time.monotonic() + self._patience
        while act.words not in "\n".join(await self._story(external_id)):
            if time.monotonic() > deadline:
                raise Late(f"nobody told {act.words!r} within {self._patience:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def _until(
        self, external_id: str, what: Callable[[OrderSummary], bool], still: str
    ) -> OrderSummary:
        """Wait until the list says so of an order. Raises Late."""
        deadline = time.monotonic() + self._patience
        while True:
            row = await self._row(external_id)
            if row is not None and what(row):
                return row
            if time.monotonic() > deadline:
                raise Late(f"still {still} after {self._patience:.0f} s; {_where(row)}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _story(self, external_id: str, run_id: str | None = None) -> list[str]:
        """What the order's last run tells, or another one."""
        handle = self._ground.client.get_workflow_handle(workflow_id(external_id), run_id=run_id)
        entries = await handle.query("timeline", result_type=list[TimelineEntry])
        return [f"{entry.actor}: {entry.text}" for entry in entries]

    async def _whole_story(self, external_id: str) -> str:
        """What all its runs tell: a late webhook about an order that is over begins a run of its own."""
        runs = self._ground.client.list_workflows(f"WorkflowId = '{workflow_id(external_id)}'")
        # The list may be late, so the last run is asked by name.
        told = await self._story(external_id)
        told += [line async for run in runs for line in await self._story(external_id, run.run_id)]
        return "\n".join(told)

    async def _row(self, external_id: str) -> OrderSummary | None:
        """An order's row of the application's list. All who wait look together."""
        async with self._looking:
            if time.monotonic() - self._looked_at > LOOK_SECONDS / 2:
                rows = await asyncio.to_thread(OrderViews(self._database).list, channel=CHANNEL, limit=MANY)
                self._rows = {row.key.external_id: row for row in rows}
                self._looked_at = time.monotonic()
        return self._rows.get(external_id)


def shared(scenarios: Sequence[words.Scenario], houses: int) -> list[list[words.Scenario]]:
    """Deal them out to at most so many houses, so that each has about as much to do; none has nothing."""
    by_length = sorted(scenarios, key=lambda each: (each.alone, len(each.happens)))
    return [share for number in range(houses) if (share := by_length[number::houses])]


def _turn(scenario: words.Scenario) -> tuple[bool, bool]:
    """What takes longest begins first, then what keeps others from beginning."""
    takes_long = any(line.release_in_days for line in scenario.order.lines)
    return not takes_long, not scenario.keeps


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, Late) else f"{type(error).__name__}: {error}"


def _where(row: OrderSummary | None) -> str:
    return f"{row.status}, {row.problem or row.waiting_for or 'under way'}" if row else "unknown"
