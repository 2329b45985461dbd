"""Lives that nobody wrote down: orders of the catalogue to which things happen at random, and which end balanced.

What is possible depends on the moment, so each act may be refused: that is noted, and no fault. In the end people put
right what the orders ask them to, as a team would on a good day: they answer cases, let goods leave, take in what comes
back, and pay what is due. Both systems are then read back without the application, as for scenarios.

The same seed draws the same order and the same dice; what becomes of an act depends on who was quicker as well.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import uuid4

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from domain.cases import family
from domain.status import OrderStatus
from sandbox.audit import ErpSide, StoreSide, compare
from sandbox.house import OVER, store_side, workflow_id
from sandbox.scenarios import vocabulary as words
from sandbox.scenarios.acts import Acts
from sandbox.scenarios.catalogue import catalogue
from sandbox.scenarios.chances import draw
from sandbox.scenarios.ground import Ground, Late
from sandbox.scenarios.onlooker import Onlooker
from sandbox.stack import Say
from sandbox.store.client import StoreRefused
from sandbox.store.requests import PlaceOrder
from sandbox.tryton.rpc import Refused
from workflows.messages import OperatorMessage, OrderView

ACTS: Final = (3, 9)
"""At least, and at most, so many things happen to an order before people bring it to its end."""
PAUSES: Final = (0.0, 0.0, 0.1, 0.5, 1.5, 3.0)
"""Seconds between two acts: some come at once, some after everybody has taken note."""
ROUND_SECONDS: Final = 0.7
QUIET_ROUNDS: Final = 4
"""So many rounds an order must be over before nobody expects more of it."""
ASK_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
BY_ITSELF: Final = 2
"""So many rounds a problem may last before a person looks at it: it may go away by itself."""
TRIES: Final = 3
"""So often an order is told to go on before what differs is accepted."""
REMEDIES: Final = {
    "approval_needed": "approve",
    "given_up_in_erp": "cancel_rest",
    "canceled_in_erp": "cancel",
}
"""By family of causes; of all others the order is told to go on, and what differs then is accepted."""
NEVER: Final = frozenset(
    {
        "call_fails",
        "contract_broken",
        "crosswalk_conflict",
        "erp_order_missing",
        "erp_unreadable",
        "erp_warning",
        "http_refused",
        "mapping_version_lost",
        "order_unknown",
        "quantities_broken",
    }
)
"""Families of causes that nothing which happens here explains: one of them is a finding."""
_NOT_POSSIBLE = (
    LookupError,
    Refused,
    StoreRefused,
    Late,
    TimeoutError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    RPCError,
)
"""How somebody is told that an act is not possible just now, or comes too late."""


@dataclass
class Life:
    """What happened to one order."""

    name: str
    external_id: str = ""
    deeds: list[str] = field(default_factory=list)
    """Acts as JSON, each with why it was not done, where it was not."""
    causes: dict[str, str] = field(default_factory=dict)
    """Cause -> its reason in words, of every problem that a person looked at."""
    ended: OrderStatus | None = None
    accepted: bool = False
    """A person took a difference, so that nothing is to be compared."""
    failures: list[str] = field(default_factory=list)
    story: str = ""

    @property
    def held(self) -> bool:
        """It ended, and nothing happened that must not."""
        return not self.failures and not any(family(cause) in NEVER for cause in self.causes)


class RandomLives:
    """Lives on one ground. ``patience``: seconds in which an order has to come to its end. Close it."""

    def __init__(self, ground: Ground, *, patience: float, say: Say = lambda _text: None) -> None:
        self._ground, self._patience, self._say = ground, patience, say
        self._onlooker = Onlooker(ground, patience)
        self._acts = Acts(ground, self._onlooker, patience=ASK_SECONDS)

    def close(self) -> None:
        """Give connections back."""
        self._onlooker.close()

    async def live(self, seeds: Sequence[int], at_once: int) -> list[Life]:
        """One life a seed, so many at the same time; in the order given."""
        await self._ground.store.turn_webhooks(duplicate=True, shuffle_seed=20)
        room = asyncio.Semaphore(at_once)

        async def one(seed: int) -> Life:
            async with room:
                return await self._live_through(seed)

        lives = list(await asyncio.gather(*(one(seed) for seed in seeds)))
        await self._read_back([life for life in lives if life.external_id])
        return lives

    async def _read_back(self, lives: Sequence[Life]) -> None:
        await self._ground.people.settle([life.external_id for life in lives])
        told = {str(each.id): each for each in await self._ground.store.list_orders()}
        names = {life.external_id: told[life.external_id].name for life in lives}
        held = await self._ground.people.read(names)
        for life in lives:
            with suppress(RPCError):
                life.story = await self._onlooker.whole_story(life.external_id)
            if life.ended is not None and not life.accepted:
                store = store_side(told[life.external_id])
                life.failures += _differences(life.ended, store, held.get(life.external_id))

    async def _live_through(self, seed: int) -> Life:
        dice = Random(seed)  # noqa: S311  it hides nothing
        name, order = dice.choice(shapes())
        life = Life(name=f"{seed}: {name}")
        try:
            life.external_id = str((await self._ground.store.place_order(order)).id)
            for _ in range(dice.randint(*ACTS)):
                await asyncio.sleep(dice.choice(PAUSES))
                await self._happens(life, dice)
            await self._to_the_end(life)
        except Exception as error:  # noqa: BLE001  one life that fails must not hide the others
            life.failures.append(
                str(error) if isinstance(error, Late) else f"{type(error).__name__}: {error}"
            )
        self._say(f"  {life.name} ({life.external_id}): {'; '.join(life.failures) or life.ended}")
        return life

    async def _happens(self, life: Life, dice: Random) -> None:
        act = draw(dice, await self._ground.store.read_order(life.external_id))
        said = act.model_dump_json(exclude_defaults=True)
        # An operator asks once here: what is refused is not asked again.
        asks = isinstance(act, words.Operated | words.OperatorReturns)
        try:
            async with asyncio.timeout(ASK_SECONDS if asks else None):
                await self._acts.do(act, life.external_id)
        except _NOT_POSSIBLE as error:
            said += f"; not done: {str(error)[:200] or type(error).__name__}"
        except Exception as error:  # noqa: BLE001  it may be the very finding
            life.failures.append(f"{said}: {type(error).__name__}: {str(error)[:300]}")
        life.deeds.append(said)

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _to_the_end(self, life: Life) -> None:
        deadline, quiet = time.monotonic() + self._patience, 0
        rounds: dict[str, int] = {}
        while quiet < QUIET_ROUNDS:
            if time.monotonic() > deadline:
                raise Late(f"not over after {self._patience:.0f} s; {await self._where(life)}")
            await self._everybody_works(life)
            row = await self._onlooker.row(life.external_id)
            life.ended = row.status if row is not None and row.status in OVER else None
            quiet = quiet + 1 if life.ended is not None else 0
            if not quiet:
                await self._answer(life, rounds)
            await asyncio.sleep(ROUND_SECONDS)

    async def _everybody_works(self, life: Life) -> None:
        """The warehouse empties its table and its dock, and the buyer pays; of a canceled order all is put back."""
        people, store, external_id = self._ground.people, self._ground.store, life.external_id
        order = await store.read_order(external_id)
        with suppress(LookupError):
            await (people.put_back if order.canceled else people.send_picked)(external_id)
        if order.canceled:
            return
        with suppress(LookupError):
            await people.ship([external_id])
        with suppress(LookupError):
            await people.receive_return(external_id)
        if order.due > 0:
            with suppress(StoreRefused):
                await store.pay_order(external_id)
                life.deeds.append(f"at the end: {order.due} is paid")

    async def _answer(self, life: Life, rounds: dict[str, int]) -> None:
        """A person looks at what the order waits for, as its page says."""
        view = await self._view(life)
        if view is None:
            return
        if "release" in view.can_do:
            await self._send(life, "release")
        if view.problem is None:
            return
        cause = view.problem.cause
        rounds[cause] = rounds.get(cause, 0) + 1
        if rounds[cause] < BY_ITSELF:
            return
        life.causes[cause] = view.problem.reason
        to = REMEDIES.get(family(cause), "resubmit")
        if to == "resubmit" and rounds[cause] > TRIES and "accept" in view.can_do:
            to = "accept"
        done = await self._send(life, to if to in view.can_do else "resubmit")
        life.accepted = life.accepted or (done and to == "accept")

    async def _send(self, life: Life, to: str) -> bool:
        message = OperatorMessage(message_id=uuid4().hex, actor="Kim", reason="as it stands")
        handle = self._ground.client.get_workflow_handle(workflow_id(life.external_id))
        said = f"at the end: {to}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await handle.execute_update(to, message)
        except _NOT_POSSIBLE as error:
            life.deeds.append(f"{said}; not done: {getattr(error, 'cause', None) or error}")
            return False
        life.deeds.append(said)
        return True

    async def _view(self, life: Life) -> OrderView | None:
        handle = self._ground.client.get_workflow_handle(workflow_id(life.external_id))
        try:
            view: OrderView = await handle.query("status", result_type=OrderView)
        except RPCError:
            return None
        return view

    async def _where(self, life: Life) -> str:
        view = await self._view(life)
        return f"{view.sentence} It waits for {view.waiting_for}" if view is not None else "nobody tells"


def shapes() -> list[tuple[str, PlaceOrder]]:
    """Orders of the catalogue that may live beside others, and need no day to come."""
    return [
        (each.name, each.order)
        for each in catalogue()
        if not each.order.test and not each.keeps and not any(x.release_in_days for x in each.order.lines)
    ]


def _differences(ended: OrderStatus, store: StoreSide, erp: ErpSide | None) -> tuple[str, ...]:
    """Between both systems. What was emptied or canceled before its entry is in none of the ERP's books."""
    if erp is None and (ended is OrderStatus.IGNORED or store.canceled):
        return ()
    return compare("", store, erp, None).differences
